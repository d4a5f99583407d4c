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

// inner says of each scenario below scenarios/inner what it shows.
var inner = map[string]struct {
	fails    string      // the gate that fails as shipped; empty: it passes
	link     string      // what broke
	suffered []string    // the streams that must show it
	well     []string    // the streams that must go on without errors
	sound    [][2]string // what to replace so that it passes; none: it passes as it is
}{
	"exhausted": {
		fails: "lookups.errors < 1%", link: "orders->stock", suffered: []string{"lookups", "orders"}, well: []string{"stock"},
		sound: [][2]string{{", capacity: 32, timeouts: false, retries: false, breaker: false", ""}},
	},
	"storm": {
		fails: "orders.max_copies <= 6", link: "orders->stock", suffered: []string{"orders"},
		sound: [][2]string{{", defects: [retry-storm]", ""}},
	},
	"breaker": {link: "orders->stock", suffered: []string{"orders"}},
	"no-breaker": {
		fails: "orders.p50 < 100ms during slow-stock", link: "orders->stock", suffered: []string{"orders"},
	},
	"overload":  {link: "orders"},
	"lost-acks": {link: "orders->kafka", suffered: []string{"orders"}},
	"long-timeout": {
		fails: "orders.recovered < 20", link: "orders->stock", suffered: []string{"orders"},
		sound: [][2]string{{", call_timeout: 2s", ""}},
	},
}

// TestInner runs every scenario of scenarios/inner as shipped, and where its weakness can be taken out also without it. It runs the
// command as users have it: these scenarios judge response times.
func TestInner(t *testing.T) {
	several(t)
	bin := buildCommand(t)
	files, err := filepath.Glob("../../../scenarios/inner/*.yaml")
	if err != nil || len(files) != len(inner) {
		t.Fatalf("%d scenarios for %d expectations: %v", len(files), len(inner), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		want := inner[name]
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			several(t)
			t.Run("as shipped", func(t *testing.T) {
				scenario(t, usual)
				run := decided(t, bin, name, string(src))
				if want.fails == "" && run.Verdict != reports.Pass || want.fails != "" && run.Verdict != reports.Fail {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
				for _, g := range run.Gates {
					if g.Expr == want.fails && g.Verdict != reports.Fail {
						t.Errorf("%s: %s, want fail", g.Expr, g.Verdict)
					}
				}
				showsWhatBroke(t, run, want.link, want.suffered, want.well)
			})
			if len(want.sound) == 0 {
				return
			}
			t.Run("sound", func(t *testing.T) {
				scenario(t, usual)
				sound := string(src)
				for _, swap := range want.sound {
					if !strings.Contains(sound, swap[0]) {
						t.Fatalf("the scenario does not hold %q", swap[0])
					}
					sound = strings.Replace(sound, swap[0], swap[1], 1)
				}
				if run := decided(t, bin, name, sound); run.Verdict != reports.Pass {
					t.Errorf("verdict %s: %q", run.Verdict, run.Why)
				}
			})
		})
	}
}

// decided runs a scenario. Where the machine itself was too busy, for the generator or for the target before anything was
// broken, the run shows nothing: it is run again.
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
		// A bad second may be the machine's; errors are not.
		if m := run.Streams[name].Windows[f.Name]; m.Offered == 0 || m.Acked*100 < m.Offered*99 {
			t.Errorf("%s has %d of %d acked, and is on no path over %s", name, m.Acked, m.Offered, link)
		}
	}
}
