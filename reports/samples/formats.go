package samples

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	parquetzstd "github.com/parquet-go/parquet-go/compress/zstd"
)

// encoder writes rows in one format.
type encoder interface {
	write(rows []Row) error
	// close writes the end of the file. It does not close what is written to.
	close() error
}

// formats are the endings of names, and what they ask for.
var formats = []struct {
	ending string
	open   func(io.Writer) (encoder, error)
}{
	{".parquet", func(w io.Writer) (encoder, error) { return newParquet(w), nil }},
	{".csv", func(w io.Writer) (encoder, error) { return newCSV(w) }},
	{".jsonl.zst", newLines},
}

// CheckName wants a name to end as one of the formats does.
func CheckName(name string) error {
	var endings []string
	for _, f := range formats {
		if strings.HasSuffix(name, f.ending) {
			return nil
		}
		endings = append(endings, f.ending)
	}
	return fmt.Errorf("the name says the format: let it end in %s", strings.Join(endings, ", "))
}

func newEncoder(w io.Writer, name string) (encoder, error) {
	for _, f := range formats {
		if strings.HasSuffix(name, f.ending) {
			return f.open(w)
		}
	}
	return nil, CheckName(name)
}

// unended is the key of the metadata of a Parquet file that says why the run left no rows.
const unended = "wringer.unended"

// Empty is a file of that name without rows. In Parquet it says why.
func Empty(name, why string) ([]byte, error) {
	var b bytes.Buffer
	file, err := newEncoder(&b, name)
	if err != nil {
		return nil, err
	}
	if p, ok := file.(*parquetFile); ok {
		p.SetKeyValueMetadata(unended, why)
	}
	err = file.close()
	return b.Bytes(), err
}

// rowGroup is the number of rows that a reader takes at once. The writer holds their compressed pages, about 40 bytes a row.
const rowGroup = 1 << 17

type parquetFile struct{ *parquet.GenericWriter[Row] }

func newParquet(w io.Writer) *parquetFile {
	return &parquetFile{parquet.NewGenericWriter[Row](w,
		parquet.MaxRowsPerRowGroup(rowGroup),
		parquet.Compression(&parquetzstd.Codec{Level: parquetzstd.SpeedFastest}),
		parquet.CreatedBy("wringer", "", ""),
	)}
}

func (f *parquetFile) write(rows []Row) error {
	_, err := f.Write(rows)
	return err
}

func (f *parquetFile) close() error { return f.Close() }

type csvFile struct {
	out    *csv.Writer
	text   []byte
	ends   []int
	fields []string
}

func newCSV(w io.Writer) (*csvFile, error) {
	f := &csvFile{out: csv.NewWriter(bufio.NewWriterSize(w, 1<<16))}
	return f, f.out.Write(Columns)
}

func (f *csvFile) write(rows []Row) error {
	for i := range rows {
		if err := f.out.Write(f.record(&rows[i])); err != nil {
			return err
		}
	}
	return nil
}

// record puts a row in texts, in the order of Columns. They share one string.
func (f *csvFile) record(r *Row) []string {
	f.text, f.ends = f.text[:0], f.ends[:0]
	f.put(r.Run)
	f.put(r.Stream)
	f.number(r.Operation)
	f.number(int64(r.Attempt))
	f.truth(r.Last)
	if r.Key != nil {
		f.number(*r.Key)
	} else {
		f.put("")
	}
	f.known(int64(r.User))
	f.text, _ = r.Time.AppendText(f.text)
	f.end()
	for _, ns := range [...]int64{r.PlannedNS, r.SentNS, r.DoneNS, r.ServiceNS, r.ResponseNS} {
		f.number(ns)
	}
	f.put(r.Outcome)
	f.put(r.Code)
	f.known(int64(r.Status))
	f.truth(r.Answered)
	f.truth(r.Wire)
	f.number(int64(r.ClientRetries))
	f.known(r.BytesOut)
	f.known(r.BytesIn)
	f.put(r.Window)
	f.put(r.Fault)
	f.put(r.TraceID)
	return f.cut()
}

func (f *csvFile) end() { f.ends = append(f.ends, len(f.text)) }

func (f *csvFile) put(text string) {
	f.text = append(f.text, text...)
	f.end()
}

func (f *csvFile) number(n int64) {
	f.text = strconv.AppendInt(f.text, n, 10)
	f.end()
}

// known writes nothing for 0.
func (f *csvFile) known(n int64) {
	if n != 0 {
		f.text = strconv.AppendInt(f.text, n, 10)
	}
	f.end()
}

func (f *csvFile) truth(b bool) {
	f.text = strconv.AppendBool(f.text, b)
	f.end()
}

func (f *csvFile) cut() []string {
	whole, from := string(f.text), 0
	f.fields = f.fields[:0]
	for _, to := range f.ends {
		f.fields = append(f.fields, whole[from:to])
		from = to
	}
	return f.fields
}

func (f *csvFile) close() error {
	f.out.Flush()
	return f.out.Error()
}

type linesFile struct {
	compressed *zstd.Encoder
	buffered   *bufio.Writer
	lines      *json.Encoder
}

func newLines(w io.Writer) (encoder, error) {
	compressed, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return nil, err
	}
	f := &linesFile{compressed: compressed, buffered: bufio.NewWriterSize(compressed, 1<<16)}
	f.lines = json.NewEncoder(f.buffered)
	f.lines.SetEscapeHTML(false)
	return f, nil
}

func (f *linesFile) write(rows []Row) error {
	for i := range rows {
		if err := f.lines.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *linesFile) close() error { return errors.Join(f.buffered.Flush(), f.compressed.Close()) }
