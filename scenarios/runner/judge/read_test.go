package judge

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/metric"
	"wringer/scenarios"
)

func fault(name string, start, end, recovery time.Duration, recovered *bool) reports.Fault {
	r := reports.StreamRecovery{Recovered: recovered, DetectionNS: new(int64(1))}
	if recovered != nil && *recovered {
		r.RecoveryNS = new(int64(recovery))
	}
	return reports.Fault{Name: name, StartNS: int64(start), EndNS: int64(end), PerStream: map[string]reports.StreamRecovery{"a": r}}
}

// Of several rounds the slowest decides, and if one is unknown, the whole is unknown.
func TestRecoveryOverRounds(t *testing.T) {
	const s = time.Second
	yes, no := new(true), new(false)
	for name, c := range map[string]struct {
		rounds  []reports.Fault
		verdict reports.Verdict
	}{
		"all quick":                {[]reports.Fault{fault("f", s, 2*s, s, yes), fault("f", 10*s, 11*s, 2*s, yes)}, reports.Pass},
		"one slow":                 {[]reports.Fault{fault("f", s, 2*s, 9*s, yes), fault("f", 20*s, 21*s, 2*s, yes)}, reports.Fail},
		"one never":                {[]reports.Fault{fault("f", s, 2*s, 0, no), fault("f", 20*s, 21*s, 2*s, yes)}, reports.Fail},
		"one unknown":              {[]reports.Fault{fault("f", s, 2*s, s, yes), fault("f", 20*s, 21*s, 0, nil)}, reports.Inconclusive},
		"one unknown, one never":   {[]reports.Fault{fault("f", s, 2*s, 0, no), fault("f", 20*s, 21*s, 0, nil)}, reports.Fail},
		"cut off by the next":      {[]reports.Fault{fault("f", s, 2*s, 0, nil), fault("f", 4*s, 5*s, 2*s, yes)}, reports.Pass},
		"cut off, the last is not": {[]reports.Fault{fault("f", s, 2*s, 0, nil), fault("f", 4*s, 5*s, 0, nil)}, reports.Inconclusive},
		"several links at once":    {[]reports.Fault{fault("f", s, 2*s, s, yes), fault("f", s, 2*s, s, yes)}, reports.Pass},
		"another fault":            {[]reports.Fault{fault("g", s, 2*s, s, yes)}, reports.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateOf(t, "a.recovery < 5s after f")
			r := g.Metric.Read(&metric.Facts{Metric: g.Metric, Name: "a", Fault: "f", Faults: c.rounds})
			if got := decide(g, reading{Reading: r}); got.Verdict != c.verdict {
				t.Errorf("%s (%s), want %s", got.Verdict, got.Why, c.verdict)
			}
		})
	}
}

func TestIntegrityOfNothingIsInconclusive(t *testing.T) {
	none, some := int64(0), int64(7)
	lost := gateOf(t, "a.lost == 0").Metric
	read := func(i reports.Integrity) metric.Reading {
		return lost.Read(&metric.Facts{Metric: lost, Stream: &reports.Stream{}, Measures: &reports.Measures{Integrity: &i}})
	}
	if r := read(reports.Integrity{Acked: &none, Seen: &none, Lost: &none}); r.Missing == "" {
		t.Error("nothing acked and nothing seen shows that nothing was lost")
	}
	if r := read(reports.Integrity{Acked: &some, Seen: &some, Lost: &none}); r.Missing != "" {
		t.Errorf("7 acked and seen: %s", r.Missing)
	}
}

func TestLimitedSecondsMakeTheRunInconclusive(t *testing.T) {
	f := &Facts{Scenario: &scenarios.Scenario{}, Limited: map[string]int{"a": 1}}
	run := &reports.Run{Gates: []reports.Gate{{Verdict: reports.Pass}}}
	f.verdict(run)
	if run.Verdict != reports.Inconclusive || run.Validity.Verdict != reports.Inconclusive {
		t.Errorf("verdict %s, validity %+v", run.Verdict, run.Validity)
	}
}

// What the target's parts sent over links that failed met no fault and no service: the run says nothing.
func TestFailedLinksMakeTheRunInconclusive(t *testing.T) {
	f := &Facts{Scenario: &scenarios.Scenario{}, Relay: errors.New("the relay is gone")}
	run := &reports.Run{Gates: []reports.Gate{{Verdict: reports.Fail}}}
	f.verdict(run)
	if run.Verdict != reports.Inconclusive || !slices.ContainsFunc(run.Validity.Why, func(s string) bool { return strings.Contains(s, "the relay is gone") }) {
		t.Errorf("verdict %s, validity %+v", run.Verdict, run.Validity)
	}
	if g := run.Gates[0]; g.Verdict != reports.Inconclusive || !strings.Contains(g.Why, "links of the target failed") {
		t.Errorf("the gate says %s, %s, and the run %s", g.Verdict, g.Why, run.Verdict)
	}
}

// Seconds in which the load generator was saturated leave a gate open, from the window's begin to its last effect. Effects that
// were never seen decide it nevertheless.
func TestEffectsUnderALateGenerator(t *testing.T) {
	run := &reports.Run{DurationNS: int64(4 * time.Second), Streams: map[string]*reports.Stream{"a": {Windows: map[string]*reports.Measures{"baseline": {}, "cut": {}}}}}
	run.Windows = []reports.Window{{Name: "baseline", EndNS: int64(2 * time.Second)}, {Name: "cut", StartNS: int64(2 * time.Second), EndNS: int64(4 * time.Second)}}
	for i := range 4 {
		run.Streams["a"].Seconds = append(run.Streams["a"].Seconds, reports.Second{StartNS: int64(i) * int64(time.Second), Limited: i == 2})
	}
	for name, c := range map[string]struct {
		gate   string
		latest time.Duration
		lost   int64
		full   map[int]bool
		want   reports.Verdict
	}{
		"before it":                  {"a.effect.p99 < 1s during baseline", 1900 * time.Millisecond, 0, nil, reports.Pass},
		"awaited in it":              {"a.effect.p99 < 1s during baseline", 2100 * time.Millisecond, 0, nil, reports.Inconclusive},
		"due in it":                  {"a.effect.p99 < 1s during cut", 2100 * time.Millisecond, 0, nil, reports.Inconclusive},
		"due in it, too slow":        {"a.effect.p99 < 1ms during cut", 2100 * time.Millisecond, 0, nil, reports.Inconclusive},
		"due in it, never seen":      {"a.effect.max < 1s during cut", 2100 * time.Millisecond, 1, nil, reports.Fail},
		"the whole run":              {"a.effect.p99 < 1s", 1900 * time.Millisecond, 0, nil, reports.Inconclusive},
		"the machine was full later": {"a.effect.p99 < 1s during baseline", 1900 * time.Millisecond, 0, map[int]bool{5: true}, reports.Pass},
		"too slow":                   {"a.effect.p99 < 1ms during baseline", 1900 * time.Millisecond, 0, nil, reports.Fail},
		"awaited while it was full":  {"a.effect.p99 < 1s during late", 6 * time.Second, 0, map[int]bool{5: true}, reports.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			cell := &effects.Cell{Lost: c.lost, Latest: c.latest}
			cell.Times.RecordMany(20*time.Millisecond, 100)
			g := gateOf(t, c.gate)
			f := &Facts{
				Scenario: &scenarios.Scenario{}, Saturated: func(second int) bool { return c.full[second] },
				Streams: []Stream{{
					Spec: &scenarios.Stream{Name: "a"}, Tally: NewTally(NewPlan(&scenarios.Scenario{}, ""), nil, "a"),
					Findings: []reports.Findings{{Kept: func([]int) any { return cell }}},
				}},
			}
			run.Streams["a"].Windows["late"] = &reports.Measures{}
			if got := decide(g, f.read(g, run)); got.Verdict != c.want {
				t.Errorf("%s (%s), want %s", got.Verdict, got.Why, c.want)
			}
		})
	}
}

// A saturated second of a phase or a step leaves the gates open that cover it: on the phase, and on the baseline around it.
func TestSaturatedSecondsOfPhasesAndSteps(t *testing.T) {
	at := func(second int) int64 { return int64(second) * int64(time.Second) }
	run := &reports.Run{DurationNS: at(6), Streams: map[string]*reports.Stream{"a": {}, "b": {}}, Windows: []reports.Window{
		{Name: "baseline", EndNS: at(1)}, {Name: "p", StartNS: at(1), EndNS: at(2), Base: "baseline"}, {Name: "baseline", StartNS: at(2), EndNS: at(4)},
		{Name: "s", StartNS: at(2), EndNS: at(3), Base: "baseline", Stream: "a"}, {Name: "f", StartNS: at(4), EndNS: at(5), Fault: new("f")}, {Name: "after f", StartNS: at(5), EndNS: at(6)},
	}}
	for _, c := range []struct {
		second int
		stream string
		open   []string
	}{
		{0, "a", []string{"baseline"}},
		{1, "a", []string{"baseline", "p"}},
		{2, "a", []string{"baseline", "s"}},
		{2, "b", []string{"baseline"}},
		{4, "a", []string{"f"}},
		{5, "a", []string{"after f"}},
	} {
		run.Streams[c.stream].Seconds = []reports.Second{{StartNS: at(c.second), Counts: reports.Counts{}, Limited: true}}
		f := &Facts{Saturated: func(int) bool { return false }}
		for _, window := range []string{"baseline", "p", "s", "f", "after f"} {
			g := &scenarios.Gate{Stream: c.stream, Scope: scenarios.Scope{Window: window}}
			if got := limitedIn(g, run); got != slices.Contains(c.open, window) {
				t.Errorf("second %d of %s: a gate on %s is open: %t", c.second, c.stream, window, got)
			}
		}
		// What is awaited from the window's first piece on: a baseline's begins at 0, whichever phase stands there.
		for window, from := range map[string]int{"baseline": 0, "p": 1, "f": 4} {
			g := &scenarios.Gate{Stream: c.stream, Scope: scenarios.Scope{Window: window}}
			if got := f.limitedUntil(g, run, 6*time.Second); got != (c.second >= from) {
				t.Errorf("second %d of %s: a gate on %s that awaits is open: %t", c.second, c.stream, window, got)
			}
			if got := f.limitedUntil(g, run, time.Duration(at(c.second))-1); got {
				t.Errorf("second %d of %s: a gate on %s that awaited nothing in it is open", c.second, c.stream, window)
			}
		}
		run.Streams[c.stream].Seconds = nil
	}
}

// What a counter rose by in the warm-up is left out. Where no reading shows the end of the warm-up, what rose about it decides nothing.
func TestCountersLeaveOutTheWarmup(t *testing.T) {
	const s = time.Second
	sc := &scenarios.Scenario{Run: scenarios.Timing{Warmup: s, Duration: 3 * s}, Traffic: []scenarios.Stream{{Name: "a"}}}
	for first, want := range map[time.Duration]map[string]reports.Verdict{
		5 * time.Millisecond:   {"a.tries == 0": reports.Pass, "a.tries > 0": reports.Fail, "a.tries < 1 during baseline": reports.Pass},
		700 * time.Millisecond: {"a.tries == 0": reports.Inconclusive, "a.tries > 0": reports.Inconclusive, "a.tries < 4": reports.Pass},
	} {
		tally := &Tally{plan: NewPlan(sc, "a"), Gauges: map[string][]reports.Sample{}, Before: map[string]Before{"tries": {At: -s, Value: 1}}}
		for _, at := range []time.Duration{first, s, 2 * s, 3 * s} {
			tally.Gauges["tries"] = append(tally.Gauges["tries"], reports.Sample{AtNS: int64(at), Value: 4})
		}
		for expr, want := range want {
			g := gateOf(t, expr)
			g.Metric.Cumulative = true
			if got := decide(g, reading{Reading: tally.gauge(g, nil)}); got.Verdict != want {
				t.Errorf("%s, first read at %s: %s, %s", expr, first, got.Verdict, got.Why)
			}
		}
	}
}

// A counter is read by how much it rose in the scope. What it rose by at the edge of a window decides nothing.
func TestCountersAreReadByTheirRise(t *testing.T) {
	const s = time.Second
	sc := &scenarios.Scenario{Run: scenarios.Timing{Duration: 6 * s}, Traffic: []scenarios.Stream{{Name: "a"}}, Faults: []scenarios.Fault{
		{Name: "cut", At: 2500 * time.Millisecond, For: 2 * s},
	}}
	tally := &Tally{plan: NewPlan(sc, "a"), Gauges: map[string][]reports.Sample{}}
	for i, v := range []float64{0, 0, 1, 4, 4, 4, 5} { // at 1 s, 2 s, ..., and in the drain
		tally.Gauges["tries"] = append(tally.Gauges["tries"], reports.Sample{AtNS: int64(i+1) * int64(s), Value: v / 2}, reports.Sample{AtNS: int64(i+1) * int64(s), Value: v / 2})
	}
	for expr, want := range map[string]reports.Verdict{
		"a.tries > 0": reports.Pass, "a.tries == 5": reports.Pass, "a.tries < 5": reports.Fail, "a.tries >= 6": reports.Fail,
		"a.tries > 2 during cut": reports.Pass, "a.tries > 3 during cut": reports.Inconclusive, "a.tries > 4 during cut": reports.Fail,
		"a.tries == 0 during baseline": reports.Inconclusive, "a.tries < 2 during baseline": reports.Pass, "a.tries == 0 after cut": reports.Pass,
		"a.tries == 1 during drain": reports.Pass,
	} {
		g := gateOf(t, expr)
		g.Metric.Cumulative = true
		if got := decide(g, reading{Reading: tally.gauge(g, nil)}); got.Verdict != want {
			t.Errorf("%s: %s, %s", expr, got.Verdict, got.Why)
		}
	}
}
