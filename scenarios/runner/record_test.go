package runner

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

func prompt() *memory {
	return &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
		ack(ctx, at, time.Millisecond)
	}}
}

// A crash leaves the last good second readable: the record on disk in the middle of a run is consistent as far as it goes.
func TestRecordIsReadableWhileRunning(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "record")
		looked := false
		time.AfterFunc(5500*time.Millisecond, func() {
			rec, err := reports.Load(dir)
			if err != nil {
				t.Error(err)
				return
			}
			looked = true
			recordtest.Valid(t, rec.Run)
			if n := len(rec.Run.Streams["a"].Seconds); n < 4 || rec.Run.Verdict == reports.Pass || rec.Run.Complete {
				t.Errorf("%d seconds, verdict %s, complete %v", n, rec.Run.Verdict, rec.Run.Complete)
			}
		})
		mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 8 * time.Second}, []scenarios.Stream{openStream("a", 50, prompt())}, "a.errors < 1%"), Options{Dir: dir})
		if !looked {
			t.Error("nobody looked")
		}
	})
}

func TestIntervalLogReadsBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "record")
		mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{openStream("a", 50, prompt())}, "a.errors < 1%"), Options{Dir: dir})
		f, err := os.Open(filepath.Join(dir, "intervals.hlog"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		head := make([]byte, 2)
		if _, err := f.ReadAt(head, 0); err != nil || string(head) != "#[" {
			t.Errorf("the log begins with %q: it has no head", head)
		}
		log := hdrhistogram.NewHistogramLogReader(f)
		var intervals, values int64
		for {
			h, err := log.NextIntervalHistogramWithRange(0, math.MaxFloat64, true)
			if err != nil {
				t.Fatal(err)
			}
			if h == nil {
				break
			}
			intervals++
			values += h.TotalCount()
			if h.Tag() != "a" {
				t.Errorf("tag %q", h.Tag())
			}
		}
		if intervals != 3 || values != 150 {
			t.Errorf("%d intervals with %d values, want 3 with 150", intervals, values)
		}
	})
}

func TestRecordFolder(t *testing.T) {
	sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 50, prompt())})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for where, want := range map[string]string{
		dir:                        "not empty",
		filepath.Join(dir, "mine"): "--out",
		"/dev/null/x":              "--out",
	} {
		if _, err := Run(t.Context(), sc, Options{Dir: where}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("record in %s: error %v, want one with %q", where, err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("%d files in a folder that was not ours", len(entries))
	}
}
