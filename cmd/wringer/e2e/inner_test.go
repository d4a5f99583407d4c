package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/reports"
)

// TestInner runs one scenario of scenarios/inner in real time, as shipped and without its weakness. It runs the command as
// users have it, because these scenarios judge response times. All of them run in virtual time (TestInnerScenarios in package
// main).
func TestInner(t *testing.T) {
	several(t)
	bin := buildCommand(t)
	src, err := os.ReadFile("../../../scenarios/inner/exhausted.yaml")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("as shipped", func(t *testing.T) {
		scenario(t, usual)
		run := decided(t, bin, "exhausted", string(src))
		failed := slices.ContainsFunc(run.Gates, func(g reports.Gate) bool {
			return g.Expr == "lookups.errors < 1%" && g.Verdict == reports.Fail
		})
		if run.Verdict != reports.Fail || !failed {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
		showsWhatBroke(t, run, "orders->stock", []string{"lookups", "orders"}, []string{"stock"})
	})
	t.Run("sound", func(t *testing.T) {
		scenario(t, usual)
		const weakness = ", capacity: 32, timeouts: false, retries: false, breaker: false"
		sound := strings.Replace(string(src), weakness, "", 1)
		if sound == string(src) {
			t.Fatalf("the scenario does not hold %q", weakness)
		}
		if run := decided(t, bin, "exhausted", sound); run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

// decided runs a scenario. If the machine was too busy, for the load generator or for the target before the first fault, the
// run shows nothing: it is run again.
func decided(t *testing.T, bin binary, name, src string) *reports.Run {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		record := filepath.Join(dir, fmt.Sprint("record", try))
		code, stdout, stderr := bin.run(t, "run", "--quiet", "--out", record, file)
		if code == reports.ExitUsage || code == reports.ExitHarness {
			t.Fatalf("exit %d:\n%s%s", code, stdout, stderr)
		}
		run := loadRecord(t, record).Run
		healthy := !slices.ContainsFunc(run.Gates, func(g reports.Gate) bool {
			return strings.HasSuffix(g.Expr, "during baseline") && g.Verdict != reports.Pass
		})
		if limited := strings.Contains(strings.Join(run.Validity.Why, "\n"), "the load generator was saturated"); healthy && !limited || try == 4 {
			return run
		}
		t.Logf("once more: %q", run.Why)
	}
}

// showsWhatBroke: the record names the link that broke and the streams that suffered.
func showsWhatBroke(t *testing.T, run *reports.Run, link string, suffered, well []string) {
	t.Helper()
	f := run.Faults[0]
	if f.Link == nil || *f.Link != link || !f.Bit || !f.Healed {
		t.Errorf("the fault is told as %+v, on %s", f, f.Place())
	}
	seen := f.Suffered()
	for _, name := range suffered {
		if !slices.Contains(seen, name) {
			t.Errorf("%s did not suffer: %v", name, seen)
		}
	}
	for _, name := range well {
		// The machine may cause a bad second, but no errors.
		if m := run.Streams[name].Windows[f.Name]; m.Offered == 0 || m.Acked*100 < m.Offered*99 {
			t.Errorf("%s has %d of %d acked, and is on no path over %s", name, m.Acked, m.Offered, link)
		}
	}
}
