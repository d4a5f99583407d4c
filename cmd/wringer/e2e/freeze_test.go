package e2e

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"wringer/reports"
)

const freezeScenario = `name: freeze
seed: 1
run: {duration: 12s}
traffic:
  open:
    rest: {request: "POST %[1]s/x"}
    rate: 100/s
  capped:
    rest: {request: "POST %[1]s/x"}
    rate: 100/s
    max_in_flight: 4
expect:
  - open.p99 < 3s
  - open.errors == 0
  - capped.p99 < 3s
  - capped.errors < 1%%
`

// TestFreezeOverHTTP freezes a real server for 2 s of 12 s, at 100 requests a second: p99 is 1.88 s by arithmetic. A cap on
// operations in flight, with which other tools hide the freeze, fails the test.
func TestFreezeOverHTTP(t *testing.T) {
	checkedScenario(t, light)
	rec := freeze(t)
	for try := 1; onceMore(t, try, rec); try++ {
		rec = freeze(t)
	}
	if rec.Run.Verdict != reports.Fail {
		t.Errorf("verdict %s, want fail", rec.Run.Verdict)
	}
	open, capped := rec.Run.Streams["open"].Total, rec.Run.Streams["capped"].Total
	if open.Response.P99 == nil || math.Abs(*open.Response.P99/1e9-1.88) > 0.03*1.88 {
		t.Errorf("p99 is %s, want 1.88 s", reports.Percentile(open.Response, open.Response.P99))
	}
	if capped.Response.P99 != nil || capped.Dropped < 150 || capped.DroppedByUs != 0 {
		t.Errorf("with 4 in flight p99 is %s with %d dropped, %d of them ours", reports.Percentile(capped.Response, capped.Response.P99), capped.Dropped, capped.DroppedByUs)
	}
	for i, want := range []reports.Verdict{reports.Pass, reports.Pass, reports.Fail, reports.Fail} {
		if g := rec.Run.Gates[i]; g.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", g.Expr, g.Verdict, g.Why, want)
		}
	}
}

// freeze runs the scenario against a server of its own.
func freeze(t *testing.T) *reports.Record {
	t.Helper()
	var start time.Time
	var once sync.Once
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		once.Do(func() { start = time.Now() })
		if since := time.Since(start); since >= 5*time.Second && since < 7*time.Second {
			thaw := time.NewTimer(7*time.Second - since)
			defer thaw.Stop()
			<-thaw.C
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "freeze.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, freezeScenario, server.URL), 0o644); err != nil {
		t.Fatal(err)
	}
	record := filepath.Join(dir, "record")
	code, stdout, stderr := wringer(t, "run", "-q", "--out", record, file)
	rec := loadRecord(t, record)
	if code != rec.Run.Exit {
		t.Errorf("exit %d, the record says %d:\n%s%s", code, rec.Run.Exit, stdout, stderr)
	}
	return rec
}
