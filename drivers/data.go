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
	"path/filepath"
	"slices"
	"strings"
)

// Data is a file whose rows feed the templates of a stream. An operation's row is a pure function of the seed and the
// operation's number. So retries carry the same values, and a run can be repeated.
type Data struct {
	File  string            `yaml:"file" path:"file" jsonschema:"required" jsonschema_description:"CSV with a header, or JSON lines (.jsonl, .ndjson); relative to the scenario. Its columns are {{data.NAME}}."`
	Types map[string]string `yaml:"types" jsonschema_description:"Types of CSV columns by name: text, number, boolean or json. In the json body of a request {{data.NAME}} alone is then sent as that. Default: text. JSON lines have types of their own."`
	Order string            `yaml:"order" jsonschema:"enum=sequential,enum=shuffled,enum=random" jsonschema_description:"sequential: row after row, over and over; shuffled: each pass in an order of its own; random: any row each time. Default sequential."`
}

// Feed is a data file that was read. It is read-only, and safe for concurrent use.
type Feed struct {
	columns []string
	text    []byte
	ends    []uint32 // the end of each cell in text, row by row
	bare    []bool   // cells that are JSON values by themselves, and no texts; those beyond its end are texts
	rows    uint64
	seed    uint64
	order   string
}

// Open reads the file, relative to folder. Errors name the faulty line.
func (d Data) Open(folder string, seed uint64) (*Feed, error) {
	path := ResolvePath(folder, d.File)
	raw, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &Feed{seed: Draw(seed, 0, dataPlace), order: d.Order}
	read := func(raw []byte) error { return f.readCSV(raw, d.Types) }
	switch filepath.Ext(path) {
	case ".jsonl", ".ndjson":
		if read = f.readJSON; d.Types != nil {
			return nil, fmt.Errorf("%s: types are those of CSV columns, and JSON lines have their own: take types away", d.File)
		}
	}
	if err := read([]byte(strings.TrimPrefix(raw, "\ufeff"))); err != nil {
		return nil, fmt.Errorf("%s: %w", d.File, err)
	}
	if f.rows == 0 {
		return nil, fmt.Errorf("%s has no rows", d.File)
	}
	return f, nil
}

// dataPlace keeps the draws of rows apart from all others.
const dataPlace = 1 << 60

func (f *Feed) readCSV(raw []byte, types map[string]string) error {
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
	kinds, err := f.kinds(types)
	if err != nil {
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
		for i, cell := range row {
			if why := wrongCell(kinds[i], cell); why != "" {
				line, _ := r.FieldPos(i)
				return fmt.Errorf("line %d: column %s: %q is %s", line, f.columns[i], clip(cell), why)
			}
			if f.add(cell); kinds[i] != "" {
				f.mark()
			}
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
			if f.add(plainText(value)); value[0] != '"' {
				f.mark()
			}
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

// Dialect is the dialect of templates that a stream's data feeds. Without d it has no names of its own. Without f, a file that is not
// read yet, every column is taken for one that exists, and renders nothing.
func (d *Data) Dialect(f *Feed) Dialect {
	switch {
	case d == nil:
		return Dialect{}
	case f != nil:
		return Dialect{Lookup: f.Place, Names: f.Places()}
	}
	return Dialect{Names: []string{"data.NAME"}, Lookup: func(name string) Place {
		if !strings.HasPrefix(name, "data.") {
			return nil
		}
		return func(dst []byte, _ *Env, _ *Op, _ uint64) []byte { return dst }
	}}
}

// Feed opens the file of d, nil without one.
func (d *Data) Feed(folder string, seed uint64) (*Feed, error) {
	if d == nil {
		return nil, nil
	}
	return d.Open(folder, seed)
}

// Check reads the file of d for CheckFiles, so that its columns are known, and tells its problem. It returns false when the file
// cannot be read now. Without d it returns true.
func (d *Data) Check(folder string, ready func(path string) error, problem func(field, message string)) (in Dialect, whole bool) {
	if d == nil {
		return Dialect{}, true
	}
	if ready(d.File) != nil {
		return Dialect{}, false
	}
	feed, err := d.Open(folder, 0)
	if err != nil {
		problem("data.file", err.Error())
		return Dialect{}, false
	}
	return d.Dialect(feed), true
}
