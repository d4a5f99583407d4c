package runner

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// faulty is a check that panics, or does not return, in one of its methods.
type faulty struct {
	in string
	do func()
}

func (f faulty) at(method string) {
	if f.in == method {
		f.do()
	}
}

func (f faulty) Ended([]reports.Ended)   { f.at("Ended") }
func (f faulty) Seen([]drivers.Delivery) { f.at("Seen") }
func (f faulty) Live() reports.Live      { f.at("Live"); return reports.Live{} }

func (f faulty) Finish(reports.Completeness) reports.Findings {
	f.at("Finish")
	return reports.Findings{
		Measure: func(m *reports.Measures, _ []int) { m.SetCheck("oddity", new(int64)); f.at("Measure") },
		Write:   func(s *reports.Stream) { s.Total.SetCheck("oddity", new(int64)); f.at("Write") },
		Kept:    func([]int) any { f.at("Kept"); return nil },
	}
}

// guarded runs a scenario whose gates on the check would hold, were it not for f.
func guarded(t *testing.T, f faulty) (*reports.Run, string) {
	log := newLog()
	m := delaying(log, func(*drivers.Op) time.Duration { return 0 })
	streams := []scenarios.Stream{effective(openStream("a", 10, m), log)}
	sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second, Drain: time.Second}, streams, "a.errors == 0", "a.lost == 0")
	known := func(*metric.Facts, int64) string { return "" }
	language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{{
		Metrics: metric.Counts([]metric.Metric{{Name: "oddity", Better: metric.Lower}}, known),
		Open:    func(reports.CheckConfig) reports.Check { f.at("Open"); return f },
	}}}
	catalogue, err := language.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	sc.Metrics, sc.Checks = catalogue, language.Checks
	sc.Phases = []scenarios.Phase{{Name: "p", At: time.Second, For: time.Second}}
	for _, expr := range []string{"a.oddity == 0", "a.oddity == 0 during baseline"} {
		g, err := scenarios.ParseGate(expr, catalogue)
		if err != nil {
			t.Fatal(err)
		}
		sc.Expect = append(sc.Expect, g)
	}
	dir := t.TempDir()
	return mustRun(t, t.Context(), sc, Options{Dir: dir}), dir
}

// A check that panics or does not return leaves its own gates undecided. All else is measured, and the run ends.
func TestCheckThatBreaks(t *testing.T) {
	for _, method := range []string{"Open", "Ended", "Seen", "Finish", "Write", "Measure", "Kept"} {
		for _, way := range []string{"panics", "hangs"} {
			t.Run(method+" "+way, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					free := make(chan struct{})
					defer close(free)
					do, why := func() { panic("a bug of its own") }, method+" panicked: a bug of its own"
					if way == "hangs" {
						do, why = func() { <-free }, method+" did not return within"
					}
					run, dir := guarded(t, faulty{method, do})
					if got := gateVerdicts(run); got != "errors pass, lost pass, oddity inconclusive, oddity inconclusive" || run.Exit != reports.ExitInconclusive {
						t.Errorf("exit %d, gates: %s", run.Exit, got)
					}
					if g := run.Gates[2]; !strings.Contains(g.Why, why) || !strings.HasPrefix(g.Why, "check oddity of stream a broke: ") {
						t.Errorf("gate: %s", g.Why)
					}
					found := false
					for _, f := range run.Findings {
						found = found || f.Kind == "check" && strings.Contains(f.Text, why)
					}
					if !found {
						t.Errorf("findings: %+v", run.Findings)
					}
					stack, err := os.ReadFile(filepath.Join(dir, "output", "checks", "a-oddity.log"))
					if err != nil || !strings.Contains(string(stack), "faulty.at") {
						t.Errorf("stack: %v\n%s", err, stack)
					}
				})
			})
		}
	}
}

// A check that does its work is not touched by its guard.
func TestGuardedCheckThatWorks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run, _ := guarded(t, faulty{})
		if got := gateVerdicts(run); got != "errors pass, lost pass, oddity pass, oddity pass" || run.Exit != reports.ExitPass {
			t.Errorf("exit %d, gates: %s; %v", run.Exit, got, run.Why)
		}
	})
}

// A metric that panics when it is read leaves its gate undecided.
func TestMetricThatPanics(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 2 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		odd := []metric.Metric{
			{Name: "odd", Unit: metric.Count, Read: func(*metric.Facts) metric.Reading { panic("odd") }, Remark: func(string, int64) string { panic("odd") },
				Count: func(*reports.Measures) *int64 { return new(int64(1)) }},
			{Name: "odd_rate", Unit: metric.Ratio, BySecond: true, Read: func(*metric.Facts) metric.Reading { panic("odd") }},
		}
		language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{{
			Metrics: odd, Open: func(reports.CheckConfig) reports.Check { return mute{} },
		}}}
		catalogue, err := language.Catalogue()
		if err != nil {
			t.Fatal(err)
		}
		sc.Metrics, sc.Checks = catalogue, language.Checks
		for _, expr := range []string{"a.odd == 0", "a.odd_rate < 1% in every second"} {
			g, err := scenarios.ParseGate(expr, catalogue)
			if err != nil {
				t.Fatal(err)
			}
			sc.Expect = append(sc.Expect, g)
		}
		run := mustRun(t, t.Context(), sc, Options{})
		if got := gateVerdicts(run); got != "errors pass, odd inconclusive, odd_rate inconclusive" {
			t.Errorf("gates: %s", got)
		}
	})
}
