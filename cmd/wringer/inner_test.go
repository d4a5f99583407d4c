package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/reports"
)

// realInner are the scenarios of scenarios/inner that run in real time too. TestInnerScenarios runs all of them.
var realInner = []string{"exhausted"}

// TestInner runs a scenario of scenarios/inner as shipped, and without its weakness.
func TestInner(t *testing.T) {
	for _, name := range realInner {
		want := innerScenarios[name]
		src, err := os.ReadFile(filepath.Join("../../scenarios/inner", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Run("as shipped", func(t *testing.T) {
				t.Parallel()
				run := decided(t, name, string(src))
				if run.Verdict != reports.Fail || gateOf(t, run, want.fails).Verdict != reports.Fail {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
				tellsWhatBroke(t, run, want)
			})
			t.Run("sound", func(t *testing.T) {
				t.Parallel()
				sound := src
				for _, swap := range want.sound {
					sound = swapped(t, sound, swap[0], swap[1])
				}
				if run := decided(t, name, string(sound)); run.Verdict != reports.Pass {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
			})
		})
	}
}

// decided runs a scenario. Where the machine itself was too busy, for the generator or for the target before anything was
// broken, the run shows nothing: it is run again.
func decided(t *testing.T, name, src string) *reports.Run {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	for try := 1; ; try++ {
		record := filepath.Join(dir, fmt.Sprint("record", try))
		code, stdout, stderr := wringer(t, "run", "--quiet", "--out", record, file)
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
