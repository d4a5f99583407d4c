package samples

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/reports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// orders is a stream with trace ids and one fault.
var orders = reports.Begun{
	Stream: "orders", Epoch: time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC), Identity: drivers.Identity{Run: "r1", Stream: "orders"}, Trace: drivers.NewTrace(1, drivers.HeaderTraceparent),
	Windows: []string{"baseline", `slow, "very"`}, Faults: []string{"", `slow, "very"`},
}

// stock is a stream of the closed model, of which little is known.
var stock = reports.Begun{
	Stream: "stock", Epoch: orders.Epoch, Identity: drivers.Identity{Run: "r1", Stream: "stock"}, Windows: []string{"baseline"}, Faults: []string{""},
}

// retried is an operation that was acked at its second attempt.
func retried() *reports.Ended {
	first := drivers.Attempt{Number: 1, Sent: 11 * time.Millisecond, Done: 15 * time.Millisecond, Status: 503, Answered: true, Wire: true, In: 3, Out: 9}
	first.Fail(drivers.Indeterminate, "http_503", "a body with a secret")
	second := drivers.Attempt{Number: 2, Sent: 20 * time.Millisecond, Done: 21 * time.Millisecond, Outcome: drivers.Acked, Status: 201, Answered: true, Wire: true, Hidden: 1, In: 5, Out: 9}
	return &reports.Ended{
		Op:     drivers.Op{Seq: 7, Planned: 10 * time.Millisecond, Keyed: true, Key: 0},
		Window: 1, Outcome: drivers.Acked, Trail: []drivers.Attempt{first, second},
	}
}

// unknown is an operation that never left.
func unknown() *reports.Ended {
	at := drivers.Attempt{Number: 1, Sent: time.Second, Done: time.Second}
	at.Fail(drivers.Rejected, drivers.CodeRefused, "")
	return &reports.Ended{Op: drivers.Op{Planned: time.Second}, User: 3, Trail: []drivers.Attempt{at}}
}

// wanted are the rows of retried and unknown, in texts.
func wanted() [][]string {
	hex := fmt.Sprintf("%x", orders.Identity.Trace(7))
	return [][]string{
		{"r1", "orders", "7", "1", "false", "0", "", "2026-03-14T09:26:53.011000Z", "10000000", "11000000", "15000000", "4000000", "5000000",
			"indeterminate", "http_503", "503", "true", "true", "0", "9", "3", `slow, "very"`, `slow, "very"`, hex},
		{"r1", "orders", "7", "2", "true", "0", "", "2026-03-14T09:26:53.020000Z", "10000000", "20000000", "21000000", "1000000", "11000000",
			"acked", "", "201", "true", "true", "1", "9", "5", `slow, "very"`, `slow, "very"`, hex},
		{"r1", "stock", "0", "1", "true", "", "3", "2026-03-14T09:26:54.000000Z", "1000000000", "1000000000", "1000000000", "0", "0",
			"rejected", "refused", "", "false", "false", "0", "", "", "baseline", "", ""},
	}
}

// read reads a file back as texts, one list a row in the order of Columns. Null is the empty text.
func read(t *testing.T, name string, file []byte) (all [][]string) {
	t.Helper()
	switch {
	case strings.HasSuffix(name, ".parquet"):
		rows, err := parquet.Read[Row](bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			all = append(all, slices.Clone(new(csvFile).record(&rows[i])))
		}
	case strings.HasSuffix(name, ".csv"):
		rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
		if err != nil || !slices.Equal(rows[0], Columns) {
			t.Fatalf("%v: %q", err, rows)
		}
		all = rows[1:]
	default:
		plain, err := zstd.NewReader(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		for lines := bufio.NewScanner(plain); lines.Scan(); {
			all = append(all, fields(t, lines.Bytes()))
		}
	}
	return all
}

// fields reads a row of JSON.
func fields(t *testing.T, line []byte) (all []string) {
	t.Helper()
	row := make(map[string]any)
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&row); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	for _, name := range Columns {
		switch v := row[name].(type) {
		case nil:
			all = append(all, "")
		case string:
			all = append(all, v)
		case json.Number:
			all = append(all, v.String())
		case bool:
			all = append(all, map[bool]string{true: "true", false: "false"}[v])
		}
		delete(row, name)
	}
	if len(row) > 0 {
		t.Errorf("columns that are none: %v", row)
	}
	return all
}

func TestEachFormatHoldsEachAttempt(t *testing.T) {
	for _, f := range formats {
		t.Run(f.ending, func(t *testing.T) {
			var file bytes.Buffer
			name := "rows" + f.ending
			w, err := New(&file, name)
			if err != nil {
				t.Fatal(err)
			}
			w.Begin(orders)
			w.Begin(stock)
			w.Ended("orders", retried())
			w.Settled("orders", time.Second)
			w.Ended("stock", unknown())
			w.Ended("nobody", unknown())
			if got, want := *w.Finish(), (reports.Samples{File: name, Rows: 3}); got != want || w.Close() != nil {
				t.Errorf("%+v, %v", got, w.Close())
			}
			if got := read(t, name, file.Bytes()); !reflect.DeepEqual(got, wanted()) {
				t.Errorf("read\n%q\nwant\n%q", got, wanted())
			}
			w.Ended("orders", retried()) // of a driver that was stuck
			if got := *w.Finish(); got.Missing != 2 || got.Rows != 3 {
				t.Errorf("after the end: %+v", got)
			}
		})
	}
}

// The document describes the file that is written: its columns, in order, with their types, and which may be null.
func TestTheDocumentDescribesTheFile(t *testing.T) {
	text, err := os.ReadFile("../../docs/samples.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented [][]string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([^|]+) \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, row[1:])
	}
	empty, err := Empty("a.parquet", "")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(empty), int64(len(empty)))
	if err != nil {
		t.Fatal(err)
	}
	var written [][]string
	var names []string
	for _, column := range file.Schema().Fields() {
		kind := map[string]string{
			"STRING": "text", "BOOLEAN": "boolean", "INT64": "integer, 64 bits", "INT32": "integer, 32 bits", "INT(64,true)": "integer, 64 bits", "INT(32,true)": "integer, 32 bits",
			"TIMESTAMP(isAdjustedToUTC=true,unit=MICROS)": "timestamp, UTC",
		}[column.Type().String()]
		if kind == "" {
			t.Fatalf("%s has the type %s", column.Name(), column.Type())
		}
		if column.Optional() {
			kind += ", or null"
		}
		names, written = append(names, column.Name()), append(written, []string{column.Name(), kind})
	}
	if !slices.Equal(names, Columns) {
		t.Errorf("the file has %q, Columns %q", names, Columns)
	}
	if !reflect.DeepEqual(documented, written) {
		t.Errorf("documented\n%q\nwritten\n%q", documented, written)
	}
}

// stuck is a disk that takes nothing until it is released.
type stuck struct{ release chan struct{} }

func (s stuck) Write(b []byte) (int, error) { <-s.release; return len(b), nil }

// A disk that stands still holds up nobody. What finds no room is counted, and the rest is written.
func TestASlowDiskLosesRowsAndSaysSo(t *testing.T) {
	disk := stuck{make(chan struct{})}
	const batches = 1
	w, err := newWriter(disk, "rows.csv", batches)
	if err != nil {
		t.Fatal(err)
	}
	w.Begin(stock)
	const all = (batches + 3) * batchRows
	one := unknown()
	for range all {
		w.Ended("stock", one)
	}
	close(disk.release)
	got := w.Finish()
	if got.Missing == 0 || got.Rows < batches*batchRows || got.Rows+got.Missing != all || w.Close() != nil {
		t.Errorf("%+v of %d, %v", got, all, w.Close())
	}
	if text := got.Lack(); !strings.Contains(text, "rows of attempts are missing from rows.csv") {
		t.Error(text)
	}
}

// A disk that stands still at the end holds up the end for a bounded time. No row is in the file for sure.
func TestADiskThatNeverGoesOn(t *testing.T) {
	for _, left := range []int{0, 3 * batchRows} { // the last batch is taken, or is not
		disk := stuck{make(chan struct{})}
		w, err := newWriter(disk, "rows.csv", 1)
		if err != nil {
			t.Fatal(err)
		}
		w.patience = time.Millisecond
		w.Begin(stock)
		one := unknown()
		for range batchRows + left {
			w.Ended("stock", one)
		}
		got, err := w.Finish(), w.Close()
		if got.Rows != 0 || got.Missing != int64(batchRows+left) || err == nil || !strings.Contains(err.Error(), "nothing more was taken") {
			t.Errorf("%+v, %v", got, err)
		}
		close(disk.release)
		<-w.done
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// A file that cannot be written holds no row for sure.
func TestAFullDiskIsAnError(t *testing.T) {
	for _, f := range formats {
		w, err := New(full{}, "rows"+f.ending)
		if err != nil {
			t.Fatal(err)
		}
		w.Begin(orders)
		w.Ended("orders", retried())
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Errorf("%s: %v", f.ending, err)
		}
		if got := w.Finish(); got.Rows != 0 || got.Missing != 2 {
			t.Errorf("%s: %+v", f.ending, got)
		}
	}
}

func TestManyGoroutines(t *testing.T) {
	w, err := New(io.Discard, "rows.parquet")
	if err != nil {
		t.Fatal(err)
	}
	w.Begin(stock)
	const senders, each = 4, 1000
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for range each {
				w.Ended("stock", unknown())
				w.Settled("stock", 0)
			}
		})
	}
	all.Wait()
	if got := w.Finish(); got.Rows+got.Missing != senders*each || w.Close() != nil {
		t.Errorf("%+v, %v", got, w.Close())
	}
}

// A run that came to no end leaves a file that can be read, and that holds nothing of an earlier run.
func TestEmptyFiles(t *testing.T) {
	for _, f := range formats {
		name := "rows" + f.ending
		file, err := Empty(name, "killed")
		if err != nil || len(read(t, name, file)) != 0 {
			t.Errorf("%s: %v", name, err)
		}
		if f.ending == ".parquet" {
			opened, err := parquet.OpenFile(bytes.NewReader(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			if why, ok := opened.Lookup(unended); !ok || why != "killed" {
				t.Errorf("it says %q", why)
			}
		}
	}
}

func TestNamesSayTheFormat(t *testing.T) {
	for name, want := range map[string]string{"a.parquet": "", "a.csv": "", "b/a.jsonl.zst": "", "a.json": ".parquet, .csv, .jsonl.zst", "-": "ends", "parquet": "end in"} {
		err := CheckName(name)
		if (err == nil) != (want == "") || err != nil && want != "ends" && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
