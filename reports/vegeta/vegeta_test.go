package vegeta

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
	"github.com/tsenart/vegeta/v12/lib/plot"
	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/reports"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func ended(attempts ...drivers.Attempt) *reports.Ended { return &reports.Ended{Trail: attempts} }

func acked(sent, done time.Duration) drivers.Attempt {
	return drivers.Attempt{Sent: sent, Done: done, Outcome: drivers.Acked, Status: 201, In: 5, Out: 7}
}

func failed(sent, done time.Duration, status int, code, detail string) drivers.Attempt {
	at := drivers.Attempt{Sent: sent, Done: done, Status: status}
	at.Fail(drivers.Indeterminate, code, detail)
	return at
}

// decode reads a file with vegeta's own decoder.
func decode(t *testing.T, file []byte) []vegeta.Result {
	t.Helper()
	var all []vegeta.Result
	if len(file) == 0 {
		return nil
	}
	next := vegeta.DecoderFor(bytes.NewReader(file))
	if next == nil {
		t.Fatal("vegeta knows no decoder for the file")
	}
	for {
		var r vegeta.Result
		if err := next(&r); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

func TestResultsAreVegetas(t *testing.T) {
	var file bytes.Buffer
	r := New(&file)
	r.Begin(reports.Begun{Stream: "orders", Place: "POST http://h/orders", Epoch: epoch})
	r.Begin(reports.Begun{Stream: "stock", Place: "h:9090 shop.v1.Inventory/Reserve", Epoch: epoch})
	r.Ended("orders", ended(acked(30*time.Millisecond, 35*time.Millisecond)))
	r.Ended("orders", ended(failed(10*time.Millisecond, 60*time.Millisecond, 503, "http_503", "503 Service Unavailable"), acked(70*time.Millisecond, 75*time.Millisecond)))
	r.Settled("orders", 50*time.Millisecond)
	r.Ended("orders", ended(failed(55*time.Millisecond, 90*time.Millisecond, 200, drivers.CodeCheck, "json $.id is absent")))
	r.Ended("stock", ended(drivers.Attempt{Sent: time.Millisecond, Done: 2 * time.Millisecond, Outcome: drivers.Acked}))
	r.Ended("stock", ended(failed(3*time.Millisecond, 4*time.Millisecond, 0, drivers.CodeTimeout, "i/o")))
	r.Ended("nobody", ended(acked(1, 2)))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	type row struct {
		attack, err string
		seq         uint64
		code        uint16
		at, took    time.Duration
	}
	want := map[row]bool{
		{"orders", "503 Service Unavailable", 0, 503, 10 * time.Millisecond, 50 * time.Millisecond}: true,
		{"orders", "", 1, 201, 30 * time.Millisecond, 5 * time.Millisecond}:                         true,
		{"orders", "check", 2, 0, 55 * time.Millisecond, 35 * time.Millisecond}:                     true,
		{"orders", "", 3, 201, 70 * time.Millisecond, 5 * time.Millisecond}:                         true,
		{"stock", "", 0, 200, time.Millisecond, time.Millisecond}:                                   true,
		{"stock", "timeout", 1, 0, 3 * time.Millisecond, time.Millisecond}:                          true,
	}
	all := decode(t, file.Bytes())
	for _, got := range all {
		if !want[row{got.Attack, got.Error, got.Seq, got.Code, got.Timestamp.Sub(epoch), got.Latency}] {
			t.Errorf("%+v", got)
		}
		if got.Attack == "orders" && (got.Method != "POST" || got.URL != "http://h/orders") || got.Code == 201 && (got.BytesIn != 5 || got.BytesOut != 7) {
			t.Errorf("%+v", got)
		}
	}
	if len(all) != len(want) {
		t.Errorf("%d results, want %d", len(all), len(want))
	}
	// The same steps as in `vegeta report` and `vegeta plot`.
	var metrics vegeta.Metrics
	p := plot.New()
	for i := range all {
		metrics.Add(&all[i])
		if err := p.Add(&all[i]); err != nil {
			t.Errorf("plot: %v", err)
		}
	}
	metrics.Close()
	if metrics.Requests != 6 || metrics.StatusCodes["503"] != 1 || metrics.StatusCodes["0"] != 2 || len(metrics.Errors) != 3 {
		t.Errorf("%+v", metrics)
	}
	p.Close()
	if _, err := p.WriteTo(io.Discard); err != nil {
		t.Errorf("plot: %v", err)
	}
}

// Attempts that end in any order are numbered in the order of their time.
func TestManyWriters(t *testing.T) {
	var file bytes.Buffer
	r := New(&file)
	r.Begin(reports.Begun{Stream: "s", Place: "GET http://h/", Epoch: epoch})
	var all sync.WaitGroup
	const writers, each = 8, 500
	for w := range writers {
		all.Go(func() {
			for i := range each {
				at := time.Duration(each-i)*time.Millisecond + time.Duration(w)
				r.Ended("s", ended(acked(at, at+time.Millisecond)))
			}
		})
	}
	all.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	results := decode(t, file.Bytes())
	if len(results) != writers*each {
		t.Fatalf("%d results", len(results))
	}
	p := plot.New()
	for i := range results {
		if results[i].Seq != uint64(i) || i > 0 && results[i].Timestamp.Before(results[i-1].Timestamp) {
			t.Fatalf("result %d: %+v", i, results[i])
		}
		if err := p.Add(&results[i]); err != nil {
			t.Fatal(err)
		}
	}
	p.Close()
}

// stuck is a disk that takes nothing until it is released.
type stuck struct{ release chan struct{} }

func (s stuck) Write(b []byte) (int, error) { <-s.release; return len(b), nil }

func TestWhatCannotBeWrittenIsSaid(t *testing.T) {
	s := stuck{make(chan struct{})}
	r := New(s)
	r.Begin(reports.Begun{Stream: "s", Place: "GET http://h/", Epoch: epoch})
	for i := range time.Duration(queued) {
		r.Ended("s", ended(acked(i, i+1)))
	}
	r.Settled("s", 1<<62)
	for i := range time.Duration(2 * queued) {
		r.Ended("s", ended(acked(queued+i, queued+i+1)))
	}
	close(s.release)
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "results are missing") {
		t.Errorf("%v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestFullDiskIsSaid(t *testing.T) {
	r := New(full{})
	r.Begin(reports.Begun{Stream: "s", Place: "GET http://h/", Epoch: epoch})
	r.Ended("s", ended(acked(1, 2)))
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
}
