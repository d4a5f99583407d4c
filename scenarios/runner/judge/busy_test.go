package judge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// second is what the target did in one second: operations of one kind each.
type second struct {
	acked, timeouts, wrong, rejected int
	lasted                           time.Duration // of the acked ones
	// refused by 500 at once; overdue of all operations were sent late.
	refused int
	overdue int64
}

func (s second) cell(start time.Duration) *metrics.Cell {
	c := &metrics.Cell{}
	end := func(n int, outcome drivers.Outcome, code string, lasted time.Duration) {
		at := drivers.Attempt{Outcome: outcome, Code: code, Wire: true, Answered: code != drivers.CodeTimeout, Begun: start, Sent: start, Done: start + lasted}
		for range n {
			c.End(&reports.Ended{Op: drivers.Op{Planned: start}, Outcome: outcome, Sent: start, Done: start + lasted, Trail: []drivers.Attempt{at}}, time.Second)
		}
	}
	end(s.acked, drivers.Acked, "", s.lasted)
	end(s.timeouts, drivers.Indeterminate, drivers.CodeTimeout, time.Second)
	end(s.wrong, drivers.Indeterminate, drivers.CodeCheck, time.Millisecond)
	end(s.rejected, drivers.Rejected, "http_404", time.Millisecond)
	end(s.refused, drivers.Indeterminate, "http_500", time.Millisecond)
	return c
}

var (
	good  = second{acked: 100, lasted: time.Millisecond}
	slow  = second{acked: 100, lasted: 500 * time.Millisecond}
	late  = second{acked: 80, timeouts: 20, lasted: time.Millisecond}
	few   = second{acked: 98, timeouts: 2, lasted: time.Millisecond}
	wrong = second{acked: 80, wrong: 20, lasted: time.Millisecond}
	gone  = second{acked: 80, rejected: 20, lasted: time.Millisecond}
)

// others is a second in which other programs held the machine.
var others = Load{Others: true, OthersCores: 1.4, Cores: 2}

// judged plays seconds and returns the run. The machine is busy as busy says; nil: it is not known.
func judged(t *testing.T, expr string, seconds []second, busy map[int]Load) *reports.Run {
	t.Helper()
	f, run := played(t, expr, seconds, busy)
	f.Judge(run)
	return run
}

// played plays seconds for one gate, and returns what is to be judged.
func played(t *testing.T, expr string, seconds []second, busy map[int]Load) (*Facts, *reports.Run) {
	t.Helper()
	sc := &scenarios.Scenario{Expect: []scenarios.Gate{*gateOf(t, expr)}, Traffic: []scenarios.Stream{{Name: "a"}}}
	sc.Run.Duration = time.Duration(len(seconds)) * time.Second
	plan := NewPlan(sc, "a")
	tally := NewTally(plan, sc.Expect, "a")
	tally.Follow()
	beside := func(at int) bool {
		for _, i := range []int{at - 1, at, at + 1} {
			if busy[i].busy() {
				return true
			}
		}
		return false
	}
	for i, s := range seconds {
		start := time.Duration(i) * time.Second
		tally.Add(map[int]*metrics.Cell{plan.Slots.At(start): s.cell(start)})
		tally.Complete(start+time.Second, func(at time.Duration, of *Second) {
			of.Late, of.Row.Limited = s.overdue, s.overdue > 0
			tally.Judge(at, time.Second, of)
		})
		tally.Sort(i, false, beside)
	}
	tally.Sort(len(seconds), true, beside)
	run := &reports.Run{DurationNS: int64(sc.Run.Duration), Streams: map[string]*reports.Stream{"a": {
		Total: tally.Total.Measures(sc.Run.Duration), Windows: map[string]*reports.Measures{}, Seconds: tally.Rows(sc.Run.Duration),
	}}}
	for _, w := range plan.Pieces {
		run.Windows = append(run.Windows, reports.Window{Name: w.Name, StartNS: int64(w.Start), EndNS: int64(w.End)})
	}
	over := tally.Over(plan.all()).Measures(sc.Run.Duration)
	run.Streams["a"].Windows[faults.Baseline] = &over
	f := &Facts{
		Scenario: sc, Saturated: func(int) bool { return false }, Ending: Ending{Ended: sc.Run.Duration}, Plan: NewPlan(sc, ""),
		Streams: []Stream{{Spec: &sc.Traffic[0], Tally: tally}},
	}
	if busy != nil {
		f.Machine = func(at int) Load { return busy[at] }
	}
	return f, run
}

func repeat(s second, n int) []second { return slices.Repeat([]second{s}, n) }

// What other programs do is never a failure. What the target does by itself is none of their doing. Neither ever makes a pass.
func TestBusySeconds(t *testing.T) {
	at := func(u Load, seconds ...int) map[int]Load {
		m := make(map[int]Load)
		for _, s := range seconds {
			m[s] = u
		}
		return m
	}
	all := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	onlyBusy := func(s second) []second { return slices.Concat(repeat(good, 4), repeat(s, 1), repeat(good, 5)) }
	const fail, open, pass = reports.Fail, reports.Inconclusive, reports.Pass
	for name, c := range map[string]struct {
		expr    string
		seconds []second
		busy    map[int]Load
		want    reports.Verdict
	}{
		"a time, all busy":                   {"a.p99 < 20ms", repeat(slow, 10), at(others, all...), open},
		"a time, not busy":                   {"a.p99 < 20ms", repeat(slow, 10), at(others), fail},
		"a time, not known":                  {"a.p99 < 20ms", repeat(slow, 10), nil, fail},
		"a time, only in the busy second":    {"a.p99 < 20ms", onlyBusy(slow), at(others, 4), open},
		"a time, in the second beside it":    {"a.p99 < 20ms", onlyBusy(slow), at(others, 5), open},
		"a time, work left from before":      {"a.p99 < 20ms", onlyBusy(slow), at(others, 3), open},
		"a time, another second was busy":    {"a.p99 < 20ms", onlyBusy(slow), at(others, 8), fail},
		"a time, in calm seconds too":        {"a.p99 < 20ms", repeat(slow, 10), at(others, 4), fail},
		"the longest, in calm seconds too":   {"a.max < 20ms", repeat(slow, 10), at(others, 4), fail},
		"the longest, in the busy second":    {"a.max < 20ms", onlyBusy(slow), at(others, 4), open},
		"over a window":                      {"a.p99 < 20ms during baseline", onlyBusy(slow), at(others, 4), open},
		"no answers in the busy second":      {"a.p99 < 20ms", onlyBusy(late), at(others, 4), open},
		"no answers in another second":       {"a.p99 < 20ms", onlyBusy(late), at(others, 8), fail},
		"errors by time":                     {"a.errors < 1%", onlyBusy(late), at(others, 4), open},
		"errors by time, in calm seconds":    {"a.errors < 1%", repeat(late, 10), at(others, 4), fail},
		"wrong answers stand":                {"a.errors < 1%", onlyBusy(wrong), at(others, 4), fail},
		"wrong answers stand, all busy":      {"a.errors < 1%", repeat(wrong, 10), at(others, all...), fail},
		"refusals stand":                     {"a.rejected == 0", onlyBusy(gone), at(others, 4), fail},
		"a count":                            {"a.retries > 5", repeat(good, 10), at(others, 4), fail},
		"calm seconds tell enough":           {"a.p99 < 20ms", slices.Concat(repeat(few, 3), repeat(slow, 7)), at(others, 4, 5, 6, 7, 8, 9), fail},
		"a rate":                             {"a.rate > 99/s", onlyBusy(late), at(others, 4), open},
		"a rate, in calm seconds too":        {"a.rate > 99/s", repeat(late, 10), at(others, 4), fail},
		"a count, the rest could not do it":  {"a.acked >= 995", onlyBusy(late), at(others, 4), open},
		"a count that nobody could reach":    {"a.acked >= 1200", onlyBusy(late), at(others, 4), fail},
		"every second, the busy one":         {"a.p99 < 20ms in every second", onlyBusy(slow), at(others, 4), open},
		"every second, a calm one too":       {"a.p99 < 20ms in every second", slices.Concat(onlyBusy(slow), repeat(slow, 1)), at(others, 4), fail},
		"every second, wrong answers":        {"a.errors < 1% in every second", onlyBusy(wrong), at(others, 4), fail},
		"every second, errors by time":       {"a.errors < 1% in every second", onlyBusy(late), at(others, 4), open},
		"it held all the same":               {"a.p99 < 20ms", repeat(good, 10), at(others, all...), pass},
		"it holds because of them":           {"a.p99 > 100ms", onlyBusy(slow), at(others, 4), open},
		"it holds without them too":          {"a.p99 > 100ms", repeat(slow, 10), at(others, 4), pass},
		"it holds, nothing else is known":    {"a.p99 > 100ms", repeat(slow, 10), at(others, all...), open},
		"breaking is asked for, by time":     {"a.errors > 1%", onlyBusy(late), at(others, 4), open},
		"slowness is asked for, each second": {"a.p99 > 100ms in every second", repeat(slow, 10), at(others, 4), open},
		"steal":                              {"a.p99 < 20ms", repeat(slow, 10), at(Load{Steal: true, StealCores: 0.9, Cores: 2}, all...), open},
		"the quota": {"a.p99 < 20ms", repeat(slow, 10),
			at(Load{Throttled: true, Quota: 0.15, Cores: 2}, all...), open},
	} {
		t.Run(name, func(t *testing.T) {
			run := judged(t, c.expr, c.seconds, c.busy)
			if run.Gates[0].Verdict != c.want || run.Verdict != c.want {
				t.Errorf("gate %s (%s), run %s: want %s", run.Gates[0].Verdict, run.Gates[0].Why, run.Verdict, c.want)
			}
		})
	}
}

// The reason names what held the machine, and an address whose program may be the target.
func TestTheReasonNamesWhatHeldTheMachine(t *testing.T) {
	run := judged(t, "a.p99 < 20ms", repeat(slow, 3), map[int]Load{0: others, 1: others, 2: others})
	if want := "a.p99 < 20ms: violated only by seconds in which other programs took 1.4 of 2 cores (3 busy seconds)"; run.Why[0] != want {
		t.Errorf("%q, want %q", run.Why[0], want)
	}
	f := Facts{Unowned: []string{"127.0.0.1:8080"}, Machine: func(int) Load { return others }}
	if got := f.held([]int{1}); !strings.Contains(got, "what listens on 127.0.0.1:8080") || !strings.Contains(got, "1 busy second)") {
		t.Errorf("%q", got)
	}
}

// Integrity stands by its own evidence, however busy the machine was.
func TestIntegrityStandsOnABusyMachine(t *testing.T) {
	g := gateOf(t, "a.lost == 0")
	f := &Facts{Machine: func(int) Load { return others }}
	run := &reports.Run{Streams: map[string]*reports.Stream{"a": {Seconds: []reports.Second{{Busy: true}}}}}
	if got := f.excuse(g, run, reports.Gate{Verdict: reports.Fail}); got.Verdict != reports.Fail {
		t.Errorf("%+v", got)
	}
}

// Effects that came late while the machine was busy decide nothing, in the drain too. Those that never came do.
func TestEffectsOnABusyMachine(t *testing.T) {
	for name, c := range map[string]struct {
		lost int64
		busy int // the second
		want reports.Verdict
	}{
		"busy in the run":      {0, 1, reports.Inconclusive},
		"busy in the drain":    {0, 4, reports.Inconclusive},
		"busy later":           {0, 7, reports.Fail},
		"some were never seen": {50, 1, reports.Fail},
	} {
		cell := &effects.Cell{Lost: c.lost, Latest: 5 * time.Second}
		cell.Times.RecordMany(3*time.Second, 100)
		run := &reports.Run{DurationNS: int64(3 * time.Second), Streams: map[string]*reports.Stream{"a": {}}}
		for i := range 3 {
			run.Streams["a"].Seconds = append(run.Streams["a"].Seconds, reports.Second{StartNS: int64(i) * int64(time.Second), Busy: i == c.busy})
		}
		g := gateOf(t, "a.effect.p99 < 1s")
		f := &Facts{
			Scenario: &scenarios.Scenario{}, Saturated: func(int) bool { return false },
			Machine: func(at int) Load {
				if at == c.busy {
					return others
				}
				return Load{}
			},
			Streams: []Stream{{
				Spec: &scenarios.Stream{Name: "a"}, Tally: NewTally(NewPlan(&scenarios.Scenario{}, ""), nil, "a"),
				Findings: []reports.Findings{{Kept: func([]int) any { return cell }}},
			}},
		}
		if got := f.excuse(g, run, decide(g, f.read(g, run))); got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Verdict, got.Why, c.want)
		}
	}
}

// Busy seconds leave a recovery open, as seconds do in which the load generator was saturated. The detection stays as it was.
func TestRecoveryOnABusyMachine(t *testing.T) {
	rows := []reports.Second{{StartNS: 0}, {StartNS: int64(time.Second), Busy: true}}
	got := undecidedRows(rows)
	if !got[1].Limited || got[0].Limited || rows[1].Limited {
		t.Errorf("%+v of %+v", got, rows)
	}
	if !wantsWorse(gateOf(t, "a.detection < 5s during f")) {
		t.Error("a detection by busy seconds alone is taken")
	}
}

// What piled up in busy seconds is worked off later, in the drain too. A gauge that was bad before them, or anew after it was
// good, is the target's own doing.
func TestGaugesOnABusyMachine(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64 // one a second
		busy   int       // the second
		want   reports.Verdict
	}{
		"in the busy second":         {[]float64{1, 1, 9, 1, 1, 1}, 2, reports.Inconclusive},
		"worked off later":           {[]float64{1, 1, 9, 9, 9, 9}, 2, reports.Inconclusive},
		"in the drain":               {[]float64{1, 1, 1, 1, 9, 9}, 4, reports.Inconclusive},
		"before":                     {[]float64{9, 1, 1, 1, 1, 1}, 3, reports.Fail},
		"anew after it was good":     {[]float64{1, 1, 9, 9, 1, 9}, 1, reports.Fail},
		"never busy":                 {[]float64{1, 9, 1, 1, 1, 1}, 99, reports.Fail},
		"it held":                    {[]float64{1, 1, 1, 1, 1, 1}, 2, reports.Pass},
		"bad before and while it is": {[]float64{9, 9, 9, 9, 9, 9}, 4, reports.Fail},
	} {
		sc := &scenarios.Scenario{}
		sc.Run.Duration = 4 * time.Second
		tally := NewTally(NewPlan(sc, ""), nil, "a")
		for i, v := range c.values {
			tally.Gauges["lag"] = append(tally.Gauges["lag"], reports.Sample{AtNS: int64(i)*int64(time.Second) + 5e6, Value: v})
		}
		f := &Facts{Scenario: sc, Streams: []Stream{{Spec: &scenarios.Stream{Name: "a"}, Tally: tally}}, Machine: func(at int) Load {
			if at == c.busy {
				return others
			}
			return Load{}
		}}
		run := &reports.Run{DurationNS: int64(sc.Run.Duration), Streams: map[string]*reports.Stream{"a": {}}}
		g := gateOf(t, "a.lag < 8")
		if got := f.excuse(g, run, decide(g, reading{Reading: tally.gauge(g, nil)})); got.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got.Verdict, got.Why, c.want)
		}
		g.Metric.Anomaly = true // what no busy machine causes stands
		if got := f.excuse(g, run, decide(g, reading{Reading: tally.gauge(g, nil)})); (got.Verdict == reports.Pass) != (c.want == reports.Pass) || got.Verdict == reports.Inconclusive {
			t.Errorf("%s, of an anomaly: %s (%s)", name, got.Verdict, got.Why)
		}
	}
}

// A bunch of late operations may make a target refuse some of them. That is the load generator's doing as much as the target's.
func TestBunchedSeconds(t *testing.T) {
	once := func(s ...second) []second { return slices.Concat(repeat(good, 4), s, repeat(good, 5)) }
	bunch := func(s second) second { s.overdue = 37; return s }
	refused := second{acked: 80, refused: 20, lasted: time.Millisecond}
	dead := second{refused: 100}
	const fail, open, pass = reports.Fail, reports.Inconclusive, reports.Pass
	for name, c := range map[string]struct {
		expr    string
		seconds []second
		busy    map[int]Load
		want    reports.Verdict
	}{
		"refused in a bunch":             {"a.errors < 1%", once(bunch(refused)), nil, open},
		"refused without one":            {"a.errors < 1%", once(refused), nil, fail},
		"refused behind a bunch":         {"a.errors < 1%", once(bunch(good), refused), nil, open},
		"refused far from it":            {"a.errors < 1%", once(bunch(good), good, refused), nil, fail},
		"refused in calm seconds too":    {"a.errors < 1%", append(once(bunch(refused)), refused), nil, fail},
		"over a window":                  {"a.errors < 1% during baseline", once(bunch(refused)), nil, open},
		"a count":                        {"a.indeterminate == 0", once(bunch(refused)), nil, open},
		"by its code":                    {"a.code(http_500) == 0", once(bunch(refused)), nil, open},
		"in every second":                {"a.errors < 1% in every second", once(bunch(refused)), nil, open},
		"in every second, a calm one":    {"a.errors < 1% in every second", append(once(bunch(refused)), refused), nil, fail},
		"no answer in a bunch":           {"a.errors < 1%", once(bunch(late)), nil, open},
		"no answer, by time":             {"a.p99 < 20ms", once(bunch(late)), nil, open},
		"wrong answers stand":            {"a.errors < 1%", once(bunch(wrong)), nil, fail},
		"refusals of the operation":      {"a.rejected == 0", once(bunch(gone)), nil, fail},
		"nothing was acked at all":       {"a.errors < 1%", repeat(bunch(dead), 10), nil, fail},
		"it held all the same":           {"a.errors < 10%", once(bunch(refused)), nil, pass},
		"breaking is asked for":          {"a.errors > 1%", once(bunch(refused)), nil, open},
		"breaking, in calm seconds too":  {"a.errors > 1%", append(once(bunch(refused)), refused), nil, pass},
		"a busy machine alone":           {"a.errors < 1%", once(refused), map[int]Load{4: others}, fail},
		"a busy machine, and a bunch":    {"a.errors < 1%", once(bunch(refused)), map[int]Load{4: others}, open},
		"a busy machine that acks none":  {"a.errors < 1%", repeat(bunch(dead), 10), map[int]Load{4: others}, fail},
		"each second by another of both": {"a.errors < 1%", once(late, good, good, bunch(refused)), map[int]Load{4: others}, open},
	} {
		t.Run(name, func(t *testing.T) {
			run := judged(t, c.expr, c.seconds, c.busy)
			gate := run.Gates[0]
			if gate.Verdict != c.want {
				t.Errorf("gate %s (%s), want %s", gate.Verdict, gate.Why, c.want)
			}
			const reason = "the load generator was late with 37 operations, which came in a bunch"
			if c.want == open && !strings.Contains(gate.Why, reason) {
				t.Errorf("the reason %q does not say %q", gate.Why, reason)
			}
		})
	}
}
