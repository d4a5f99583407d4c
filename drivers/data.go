package drivers

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Data is a file whose rows feed the templates of a stream. An operation's row is a pure function of the seed and the
// operation's number. So retries carry the same values, and a run can be repeated.
type Data struct {
	File  string `yaml:"file" path:"file" jsonschema:"required" jsonschema_description:"CSV with a header, or JSON lines (.jsonl, .ndjson); relative to the scenario. Its columns are {{data.NAME}}."`
	Order string `yaml:"order" jsonschema:"enum=sequential,enum=shuffled,enum=random" jsonschema_description:"sequential: row after row, over and over; shuffled: each pass in an order of its own; random: any row each time. Default sequential."`
}

// MaxDataFile bounds the file, which is held in memory.
const MaxDataFile = 64 << 20

// Feed is a data file that was read. It is read-only, and safe for concurrent use.
type Feed struct {
	columns []string
	text    []byte
	ends    []uint32 // the end of each cell in text, row by row
	rows    uint64
	seed    uint64
	order   string
}

// Open reads the file, relative to folder. Errors name the faulty line.
func (d Data) Open(folder string, seed uint64) (*Feed, error) {
	path := ResolvePath(folder, d.File)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > MaxDataFile {
		return nil, fmt.Errorf("%s has %d bytes; the maximum is %d", d.File, info.Size(), MaxDataFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &Feed{seed: Draw(seed, 0, dataPlace), order: d.Order}
	read := f.readCSV
	switch filepath.Ext(path) {
	case ".jsonl", ".ndjson":
		read = f.readJSON
	}
	if err := read(bytes.TrimPrefix(raw, []byte("\ufeff"))); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	if f.rows == 0 {
		return nil, fmt.Errorf("%s has no rows", d.File)
	}
	return f, nil
}

// dataPlace keeps the draws of rows apart from all others.
const dataPlace = 1 << 60

func (f *Feed) readCSV(raw []byte) error {
	r := csv.NewReader(bytes.NewReader(raw))
	r.ReuseRecord = true
	head, err := r.Read()
	if err != nil {
		if err == io.EOF {
			return errors.New("the file is empty; its first line names the columns")
		}
		return err
	}
	if err := f.head(slices.Clone(head)); err != nil {
		return err
	}
	for {
		row, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err // the error names the line, also for a row of another length
		}
		for _, cell := range row {
			f.add(cell)
		}
		f.rows++
	}
}

// readJSON reads one object per line. The members of the first line are the columns; every line must have all of them.
func (f *Feed) readJSON(raw []byte) error {
	for n, line := range bytes.Split(raw, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var row map[string]json.RawMessage
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if f.columns == nil {
			if err := f.head(slices.Sorted(maps.Keys(row))); err != nil {
				return fmt.Errorf("line %d: %w", n+1, err)
			}
		}
		for _, name := range f.columns {
			value, ok := row[name]
			if !ok {
				return fmt.Errorf("line %d has no %q, which the first line has", n+1, name)
			}
			f.add(plainText(value))
		}
		f.rows++
	}
	return nil
}

// plainText is the text of a JSON string, or the value as it is written.
func plainText(raw json.RawMessage) string {
	var s string
	if raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

func (f *Feed) head(names []string) error {
	if len(names) == 0 {
		return errors.New("no columns")
	}
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		if names[i] == "" || strings.ContainsAny(names[i], " \t{}") {
			return fmt.Errorf("%q cannot name a column: {{data.NAME}} takes no blanks and no braces", name)
		}
		if slices.Contains(names[:i], names[i]) {
			return fmt.Errorf("two columns are named %q", names[i])
		}
	}
	f.columns = names
	return nil
}

func (f *Feed) add(cell string) {
	f.text = append(f.text, cell...)
	f.ends = append(f.ends, uint32(len(f.text)))
}

// Places returns the names of the columns in templates.
func (f *Feed) Places() []string {
	var names []string
	for _, c := range f.columns {
		names = append(names, "data."+c)
	}
	return names
}

// Place renders a column by its name in templates. It returns nil if there is no such column.
func (f *Feed) Place(name string) Place {
	column := slices.Index(f.Places(), name)
	if column < 0 {
		return nil
	}
	width := uint64(len(f.columns))
	return func(dst []byte, _ *Env, op *Op, _ uint64) []byte {
		return append(dst, f.cell(f.row(op.Seq)*width+uint64(column))...)
	}
}

func (f *Feed) cell(i uint64) []byte {
	from := uint32(0)
	if i > 0 {
		from = f.ends[i-1]
	}
	return f.text[from:f.ends[i]]
}

// row is the index of the row of operation seq.
func (f *Feed) row(seq uint64) uint64 {
	switch f.order {
	case "random":
		return DrawBelow(Draw(f.seed, seq, 0), f.rows)
	case "shuffled":
		return permute(Draw(f.seed, seq/f.rows, 1), seq%f.rows, f.rows)
	}
	return seq % f.rows
}

// permute maps 0..n-1 onto itself, in an order drawn from the seed. It applies four rounds of a Feistel network (Luby,
// Rackoff 1988) over the next power of four. It repeats them until the result is below n (Black, Rogaway 2002: "cycle
// walking"), which takes fewer than four steps on average. It keeps no table.
func permute(seed, i, n uint64) uint64 {
	half := uint(bits.Len64(n-1)+1) / 2
	mask := uint64(1)<<half - 1
	for {
		left, right := i>>half, i&mask
		for round := range uint64(4) {
			left, right = right, left^Draw(seed, right, round)&mask
		}
		if i = left<<half | right; i < n {
			return i
		}
	}
}
