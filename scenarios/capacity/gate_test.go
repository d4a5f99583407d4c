package capacity

import (
	"math"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// Gates on the capacity: the bracket is above, below, or contains the limit.
func TestGatesOnTheCapacity(t *testing.T) {
	for _, c := range []struct {
		expr    string
		limit   float64
		verdict reports.Verdict
		exit    int
		why     string
	}{
		{">", 150, reports.Pass, reports.ExitPass, "sustained"},
		{">", 250, reports.Fail, reports.ExitFail, "it fails at 2"},
		{">=", 200.5, reports.Inconclusive, reports.ExitInconclusive, "it lies between"},
	} {
		sc := &scenarios.Scenario{Capacity: []scenarios.CapacityGate{{Expr: "capacity.a " + c.expr, Stream: "a", Comparison: c.expr, Limit: c.limit}}}
		a := findIn(t, t.Context(), sc, &scripted{verdict: upTo(201)}, nil)
		if len(a.Gates) != 1 || a.Gates[0].Verdict != string(c.verdict) || a.Exit != c.exit || !strings.Contains(a.Gates[0].Why, c.why) || !strings.Contains(a.Why, a.Gates[0].Expr) {
			t.Errorf("%s %v: exit %d, %+v; %s", c.expr, c.limit, a.Exit, a.Gates, a.Why)
		}
	}
}

// A bound that too few trials confirm decides no gate: the target may have died at that load by chance, or have been lucky.
func TestUncertainBoundsDecideNothing(t *testing.T) {
	gate := func(limit float64) *scenarios.Scenario {
		return &scenarios.Scenario{Capacity: []scenarios.CapacityGate{{Expr: "capacity.a", Stream: "a", Comparison: ">", Limit: limit}}}
	}
	dead := false
	dies := &scripted{verdict: func(at float64, _ int) reports.Verdict {
		if dead = dead || at >= 400; dead {
			return reports.Fail
		}
		return reports.Pass
	}}
	a := findIn(t, t.Context(), gate(500), dies, nil)
	if a.Upper == nil || a.Upper.At != 400 || a.Upper.Certain || a.Exit != reports.ExitInconclusive || !strings.Contains(a.Gates[0].Why, "too few trials confirm") {
		t.Errorf("exit %d: %s", a.Exit, a.Why)
	}
	stuck := &scripted{verdict: func(at float64, _ int) reports.Verdict {
		if at > 150 {
			return reports.Inconclusive
		}
		return reports.Pass
	}}
	a = findIn(t, t.Context(), gate(50), stuck, nil)
	if a.Lower == nil || a.Lower.Certain || a.Gates[0].Verdict != string(reports.Inconclusive) || !strings.Contains(a.Gates[0].Why, "too few trials of full length") {
		t.Errorf("exit %d: %s", a.Exit, a.Why)
	}
}

// One trial that failed at the lowest load is told at once, and violates no gate on the capacity: a second must fail too.
func TestBelowIsConfirmedForAGate(t *testing.T) {
	for name, c := range map[string]struct {
		failed, trials, exit int
		answer               string
	}{"once": {1, 0, reports.ExitPass, Bracket}, "twice": {1000, 2, reports.ExitFail, Below}} {
		n := 0
		p := &scripted{verdict: func(at float64, step int) reports.Verdict {
			if step > 1 && at == 10 { // the first step warms up
				if n++; n <= c.failed {
					return reports.Fail
				}
			}
			return upTo(201)(at, step)
		}}
		sc := &scenarios.Scenario{Capacity: []scenarios.CapacityGate{{Expr: "capacity.a > 100/s", Stream: "a", Comparison: ">", Limit: 100}}}
		a := findIn(t, t.Context(), sc, p, nil)
		if a.Answer != c.answer || a.Exit != c.exit || c.trials > 0 && len(a.Trials) != c.trials {
			t.Errorf("%s: %d trials, exit %d: %s", name, len(a.Trials), a.Exit, a.Why)
		}
	}
}

// Where no trial at the lower bound has enough seconds with operations, the answer says so, and no gate passes.
func TestBlindToABacklog(t *testing.T) {
	for _, blind := range []bool{false, true} {
		p := &scripted{verdict: upTo(201)}
		p.change = func(run *reports.Run, _ runner.Step) {
			if blind {
				run.Faults = []reports.Fault{{Name: "a", StartNS: 4e9, EndNS: 8e9}, {Name: "b", StartNS: 12e9, EndNS: 1000e9}}
			}
		}
		sc := &scenarios.Scenario{Capacity: []scenarios.CapacityGate{{Expr: "capacity.a > 100/s", Stream: "a", Comparison: ">", Limit: 100}}}
		a := findIn(t, t.Context(), sc, p, nil)
		if a.Blind != blind || a.Lower.Certain == blind || strings.Contains(a.Why, "could show a growing backlog") != blind || (a.Exit == reports.ExitPass) == blind {
			t.Errorf("blind %t: exit %d: %s", blind, a.Exit, a.Why)
		}
	}
}

// Of several streams, a gate is on its stream's part.
func TestGateOnAPartOfTheLoad(t *testing.T) {
	axis := &Axis{Streams: []string{"a", "b"}, shares: map[string]float64{"a": 0.25, "b": 0.75}}
	c := &finder{axis: axis, scenario: &scenarios.Scenario{Capacity: []scenarios.CapacityGate{{Stream: "a", Comparison: ">", Limit: 40}}}}
	c.answer = &Answer{Lower: &Bound{At: 200, Certain: true, Streams: axis.Parts(200)}, Upper: &Bound{At: 210, Certain: true, Streams: axis.Parts(210)}}
	if got := c.judged(); got[0].Verdict != string(reports.Pass) || got[0].Why != "50/s sustained" {
		t.Errorf("%+v", got)
	}
	if text := c.bracket(ending{}); text != "a + b: 200/s sustained (a 50/s, b 150/s), fails at 210/s" {
		t.Error(text)
	}
}

// Each gate gives way at a load of its own, and the answer stands.
func TestExplain(t *testing.T) {
	expect := []scenarios.Gate{{Expr: "a.errors < 1%"}, {Expr: "a.p99 < 1s"}}
	truth := map[string]float64{"a.errors < 1%": 100, "a.p99 < 1s": 420}
	p := &scripted{verdict: upTo(100)}
	p.change = func(run *reports.Run, st runner.Step) {
		run.Gates = nil
		for _, g := range expect {
			run.Gates = append(run.Gates, reports.Gate{Expr: g.Expr, Verdict: upTo(truth[g.Expr])(st.Rates["a"].Constant, 0)})
		}
		if st.GiveUp {
			t.Error("a trial may end early, and then says nothing of the other gates")
		}
	}
	a := findIn(t, t.Context(), &scenarios.Scenario{Expect: expect}, p, func(asked *Asked) { asked.Explain = true })
	if a.Answer != Bracket || a.Lower.At > 100 || a.Upper.At <= 100 {
		t.Errorf("%s", a.Why)
	}
	for _, g := range a.GivesWay {
		if at := truth[g.Gate]; g.Holds == nil || g.Fails == nil || *g.Holds > at || *g.Fails <= at || *g.Fails > *g.Holds*1.21 {
			t.Errorf("%+v, the truth is %v", g, at)
		}
	}
}

// The fit finds the numbers of a service that follows the law, with small residuals.
func TestScalabilityLaw(t *testing.T) {
	truth := USL{Lambda: 100, Sigma: 0.05, Kappa: 0.001}
	var trials []*Trial
	for n := 1.0; n <= 64; n *= 1.5 {
		x := truth.At(n)
		trials = append(trials, &Trial{At: x, Verdict: string(reports.Pass), Achieved: &x, MeanNS: new(n / x * float64(time.Second))})
	}
	u := fit(trials)
	if u == nil || math.Abs(u.Lambda-100) > 0.01 || math.Abs(u.Sigma-0.05) > 1e-4 || math.Abs(u.Kappa-0.001) > 1e-5 || math.Abs(*u.Peak-math.Sqrt(0.95/0.001)) > 0.1 {
		t.Fatalf("%+v", u)
	}
	for _, r := range u.Residuals {
		if math.Abs(r.Fitted/r.Achieved-1) > 1e-6 {
			t.Errorf("%+v", r)
		}
	}
	if fit(trials[:3]) != nil {
		t.Error("three trials fit three numbers, and say nothing")
	}
}

// A violated gate in words.
func TestViolation(t *testing.T) {
	window := "baseline"
	for want, g := range map[string]reports.Gate{
		"orders.p99 (212 ms > 200 ms)":                      {Expr: "orders.p99 < 200ms", Observed: new(212e6), Limit: new(200e6), Unit: "ns"},
		"orders.within(1s) (90 % < 99 %) during baseline":   {Expr: "orders.within(1s) > 99% during baseline", Observed: new(0.9), Limit: new(0.99), Unit: "ratio", Window: &window},
		"orders.errors (1 %, at the limit)":                 {Expr: "orders.errors < 1%", Observed: new(0.01), Limit: new(0.01), Unit: "ratio"},
		"orders.errors (1.004 % > 1 %)":                     {Expr: "orders.errors < 1%", Observed: new(0.01004), Limit: new(0.01), Unit: "ratio"},
		"orders.errors (1 %, at the limit) during baseline": {Expr: "orders.errors < 1%", Observed: new(0.01 + 1e-17), Limit: new(0.01), Unit: "ratio", Window: &window},
		"orders.p99 (no answer, limit 200 ms)":              {Expr: "orders.p99 < 200ms", Verdict: reports.Fail, Limit: new(200e6), Unit: "ns"},
	} {
		if got := violation(&g); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// A consumer that falls behind answers nobody late: the effects of acked operations come ever later. Where the load generator's own
// reader was late, that tells nothing.
func TestEffectsThatComeEverLater(t *testing.T) {
	for name, c := range map[string]struct {
		effect func(second int) int64 // ms
		lag    float64                // of the reader, growth a second
		want   reports.Verdict
	}{
		"in time":        {func(int) int64 { return 20 }, 0, reports.Pass},
		"behind":         {func(s int) int64 { return int64(20 + 100*s) }, 0, reports.Fail},
		"reader is late": {func(s int) int64 { return int64(20 + 100*s) }, 10, reports.Inconclusive},
	} {
		stream := &reports.Stream{Total: reports.Measures{Effect: &reports.EffectTimes{}}, Gauges: map[string][]reports.Sample{}}
		run := &reports.Run{Verdict: reports.Pass, DurationNS: 20e9, Streams: map[string]*reports.Stream{"a": stream}}
		for i := range 20 {
			row := reports.Second{StartNS: int64(i) * 1e9, Counts: reports.Counts{Offered: 1, Acked: 1}, P50NS: new(int64(5e6)), EffectP50NS: new(c.effect(i) * 1e6)}
			stream.Seconds = append(stream.Seconds, row)
			stream.Gauges["lag"] = append(stream.Gauges["lag"], reports.Sample{AtNS: row.StartNS, Value: c.lag * float64(i)})
		}
		if got := trial(&Axis{Streams: []string{"a"}}, 1, run, nil); got.Verdict != string(c.want) {
			t.Errorf("%s: %s %s", name, got.Verdict, got.Why)
		}
	}
}

// A backlog that grows outside of the faults fails a trial with faults: before, and after one. What a fault leaves and the target
// works off does not.
func TestBacklogBesideFaults(t *testing.T) {
	fault := reports.Fault{Name: "slow", StartNS: 8e9, EndNS: 12e9}
	for name, c := range map[string]struct {
		median func(second int) int64 // ms
		fails  bool
	}{
		"steady":     {func(int) int64 { return 5 }, false},
		"fault":      {func(s int) int64 { return map[bool]int64{true: 800, false: 5}[s >= 8 && s < 12] }, false},
		"worked off": {func(s int) int64 { return map[bool]int64{true: max(5, int64(4000-500*(s-12))), false: 5}[s >= 12] }, false},
		"before":     {func(s int) int64 { return map[bool]int64{true: int64(40 * (s + 1)), false: 5}[s < 8] }, true},
		"after":      {func(s int) int64 { return map[bool]int64{true: int64(40 * (s - 11)), false: 5}[s >= 12] }, true},
	} {
		run := &reports.Run{Verdict: reports.Pass, DurationNS: 20e9, Faults: []reports.Fault{fault}, Streams: map[string]*reports.Stream{"a": {}}}
		for i := range 20 {
			run.Streams["a"].Seconds = append(run.Streams["a"].Seconds, reports.Second{StartNS: int64(i) * 1e9, Counts: reports.Counts{Offered: 1}, P50NS: new(c.median(i) * 1e6)})
		}
		if got := trial(&Axis{Streams: []string{"a"}}, 1, run, nil); (got.Verdict == string(reports.Fail)) != c.fails {
			t.Errorf("%s: %s %s", name, got.Verdict, got.Why)
		}
	}
}
