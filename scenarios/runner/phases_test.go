package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/checktest"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// uneven answers after times that differ, loses some effects, doubles others and rejects some operations: no two windows are
// alike. Its gauge is the clock.
type uneven struct {
	memory
	log, topic *ledgerLog
	inForce    *atomic.Int64
}

func (u *uneven) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	_, err := u.memory.Open(ctx, env)
	return u, err
}

func (u *uneven) Session() (drivers.Session, error) { return u, nil }

func (u *uneven) Gauges(emit func(string, float64)) { emit("age", u.env.Clock().Seconds()) }

func (u *uneven) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	elapsed := time.Duration(1+op.Seq%17) * time.Millisecond
	switch {
	case u.inForce.Load() > 0, op.Seq%41 == 0:
		at.Wire, at.Answered = true, true
		at.Fail(drivers.Rejected, "http_400", "")
		return
	case op.Planned > 9*time.Second && op.Planned < 11*time.Second: // slow to come back
		elapsed += 100 * time.Millisecond
	}
	copies := 1
	switch {
	case op.Seq%97 == 5:
		copies = 0
	case op.Seq%89 == 7:
		copies = 2 + int(op.Seq/89)%3
	}
	ack(ctx, at, elapsed)
	for range copies {
		u.log.append(u.env.Identity.Append(nil, op.Seq))
		u.topic.append(u.env.Identity.Append(nil, op.Seq))
	}
}

// phasedRun runs a scenario of two streams and a reader, with phases and named steps or without. A fault lasts from 6 s to 9 s
// (and 3 ms, when no operation is due).
func phasedRun(t *testing.T, named bool, gates []string) *reports.Run {
	t.Helper()
	var inForce atomic.Int64
	log, topic := newLog(), newLog()
	a := effective(openStream("a", 1, nil), log)
	a.Driver = &uneven{log: log, topic: topic, inForce: &inForce}
	a.Rate = &scenarios.Rate{Steps: []scenarios.Step{
		{Rate: 100, For: 4 * time.Second, Name: "warm"}, {Rate: 100, For: 3500 * time.Millisecond}, {Rate: 200, For: 4 * time.Second, Name: "hot"}, {Rate: 100},
	}}
	b := openStream("b", 1, prompt())
	b.Rate = &scenarios.Rate{Steps: []scenarios.Step{{Rate: 50, For: 5 * time.Second, Name: "warm"}, {Rate: 20}}}
	sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second, Drain: time.Second}, []scenarios.Stream{a, b, reader(topic, "a", false)})
	language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{checktest.ErrorRun}}
	catalogue, err := language.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	sc.Metrics, sc.Checks = catalogue, language.Checks
	for _, expr := range gates {
		g, err := scenarios.ParseGate(expr, catalogue)
		if err != nil {
			t.Fatal(err)
		}
		sc.Expect = append(sc.Expect, g)
	}
	sc.Faults = []scenarios.Fault{{Name: "cut", At: 6003 * time.Millisecond, For: 3 * time.Second, Config: &breaker{inForce: &inForce}}}
	if named {
		sc.Phases = []scenarios.Phase{
			{Name: "peak", At: 3 * time.Second, For: 1500 * time.Millisecond},
			{Name: "around", At: 5 * time.Second, For: 5 * time.Second}, {Name: "late", At: 15 * time.Second, For: 5 * time.Second},
		}
		return mustRun(t, t.Context(), sc, Options{})
	}
	for i := range sc.Traffic {
		if rate := sc.Traffic[i].Rate; rate != nil {
			for j := range rate.Steps {
				rate.Steps[j].Name = ""
			}
		}
	}
	return mustRun(t, t.Context(), sc, Options{})
}

// phasedGates are gates of every kind on a window.
func phasedGates(scope string) (gates []string) {
	for _, g := range []string{
		"a.p50 < 1s", "a.p99 < 1s", "a.mean < 1s", "a.errors < 10%", "a.within(10ms) > 10%", "a.rate > 90/s", "a.attempts < 9999", "a.amplification < 1.1",
		"a.lost == 0", "a.seen > 1", "a.effect_duplicates == 0", "a.extra_copies < 2", "a.max_copies < 3", "a.phantom == 0",
		"a.effect.p50 < 1s", "a.effect.p95 < 1s", "a.effect.mean < 1s", "a.error_run < 2", "a.age < 25", "b.rate > 1/s", "b.errors == 0",
		"c.lost == 0", "c.log_duplicates == 0", "c.max_copies < 3", "a.p99 < 150ms in every second", "a.rate > 90/s in every second",
	} {
		gates = append(gates, strings.TrimSpace(g+" "+scope))
	}
	return gates
}

// Naming phases and steps changes no gate on the run, the baseline or the time after a fault, no recovery and no total.
func TestPhasesTakeNothingFromGates(t *testing.T) {
	gates := slices.Concat(phasedGates(""), phasedGates("during baseline"), phasedGates("during cut"), phasedGates("after cut"),
		[]string{"a.recovery < 1s after cut", "a.detection < 1s after cut", "a.lost == 0 during drain"})
	runs := make(map[bool]*reports.Run)
	for _, named := range []bool{false, true} {
		bubble(t, func(t *testing.T) { runs[named] = phasedRun(t, named, gates) })
	}
	plain, phased := runs[false], runs[true]
	decided := 0
	for i := range plain.Gates {
		p, q := &plain.Gates[i], &phased.Gates[i]
		if p.Verdict != q.Verdict || !reflect.DeepEqual(p.Observed, q.Observed) {
			t.Errorf("%s: %s, observed %s (%s), and with phases %s, %s (%s)", p.Expr, p.Verdict, inWords(p.Observed), p.Why, q.Verdict, inWords(q.Observed), q.Why)
		}
		if p.Verdict != reports.Inconclusive {
			decided++
		}
	}
	if decided < 90 { // while the fault is in force nothing is acked
		t.Errorf("%d of %d gates are decided", decided, len(gates))
	}
	if !reflect.DeepEqual(plain.Faults, phased.Faults) {
		t.Errorf("faults are %s, and with phases %s", asJSON(plain.Faults), asJSON(phased.Faults))
	}
	for _, name := range plain.StreamNames() {
		p, q := plain.Streams[name], phased.Streams[name]
		if !reflect.DeepEqual(p.Total, q.Total) || !reflect.DeepEqual(p.Seconds, q.Seconds) {
			t.Errorf("%s: the total or the seconds changed: %s, %s", name, asJSON(p.Total), asJSON(q.Total))
		}
	}
	if plain.Verdict != phased.Verdict || !reflect.DeepEqual(plain.Findings, phased.Findings) {
		t.Errorf("%s, %+v; and with phases %s, %+v", plain.Verdict, plain.Findings, phased.Verdict, phased.Findings)
	}
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func inWords(v *float64) string {
	if v == nil {
		return "nothing"
	}
	return fmt.Sprint(*v)
}

// Each window holds what was due in it: of its own stream where it is a step.
func TestPhasesAndStepsAreWindows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gates := []string{
			"a.offered == 300 during warm", "a.offered == 150 during peak", "b.offered == 175 during warm", "a.offered == 300 during hot",
			"a.acked == 0 during cut", "a.effect.p50 < 1s during peak", "a.error_run == 1 during peak", "a.p99 < 20ms during warm in every second",
			"a.offered == 300 during around", "b.p99 < 1s during around", "a.p99 > 100ms during around", "a.age < 16 during hot", "c.seen > 250 during warm",
		}
		run := phasedRun(t, true, gates)
		var pieces []string
		for _, w := range run.Windows {
			pieces = append(pieces, strings.TrimSpace(fmt.Sprintf("%s %s %g-%g %s", w.Stream, w.Name, time.Duration(w.StartNS).Seconds(), time.Duration(w.EndNS).Seconds(), w.Base)))
		}
		want := []string{
			"baseline 0-3", "a warm 0-3 baseline", "b warm 0-3 baseline", "peak 3-4.5 baseline", "baseline 4.5-5", "b warm 4.5-5 baseline", "around 5-6.003 baseline",
			"cut 6.003-9.003", "around 9.003-10 after cut", "after cut 10-15", "a hot 10-11.5 after cut", "late 15-20 after cut", "drain 20-21",
		}
		if !slices.Equal(pieces, want) {
			t.Errorf("windows are\n%s\nwant\n%s", strings.Join(pieces, "\n"), strings.Join(want, "\n"))
		}
		for stream, want := range map[string]map[string]int64{
			"a": {"baseline": 50, "warm": 300, "peak": 150, "around": 300, "cut": 450, "hot": 300, "after cut": 350, "late": 500, "drain": 0},
			"b": {"warm": 175, "peak": 75, "around": 40, "cut": 60, "after cut": 100, "late": 100, "drain": 0},
			"c": {"baseline": 0, "warm": 0, "peak": 0, "around": 0, "cut": 0, "hot": 0, "after cut": 0, "late": 0, "drain": 0},
		} {
			got := make(map[string]int64)
			for name, m := range run.Streams[stream].Windows {
				got[name] = m.Offered
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: offered %v, want %v", stream, got, want)
			}
		}
		for _, window := range []string{"warm", "peak", "around", "late"} {
			m, c := run.Streams["a"].Windows[window], run.Streams["c"].Windows[window]
			if m.Effect == nil || m.Effect.Count != m.Acked || *m.Integrity.Acked != m.Acked || *m.Integrity.Lost == 0 || *c.Integrity.Lost != *m.Integrity.Lost {
				t.Errorf("%s: %s, and of the reader %s", window, asJSON(m), asJSON(c.Integrity))
			}
		}
		for _, g := range run.Gates {
			if g.Verdict != reports.Pass {
				t.Errorf("%s: %s, observed %s (%s)", g.Expr, g.Verdict, inWords(g.Observed), g.Why)
			}
		}
	})
}

// A phase before the first fault is part of the steady state that the faults wait for.
func TestSteadyStateIncludesPhases(t *testing.T) {
	for name, c := range map[string]struct {
		gate    string
		healthy bool
	}{
		"all of the baseline is a phase": {"a.errors < 10% during baseline", false},
		"its seconds":                    {"a.errors < 10% during baseline in every second", false},
		"a gate on the phase":            {"a.errors < 90% during early", true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 100, failing(2*time.Second))}, c.gate)
				sc.Phases = []scenarios.Phase{{Name: "early", For: 5 * time.Second}}
				f := &recordingFault{}
				sc.Faults = []scenarios.Fault{{Name: "f", At: 4 * time.Second, For: time.Second, Config: f}}
				run := mustRun(t, t.Context(), sc, Options{})
				if c.healthy != (f.injected == 1) {
					t.Errorf("injected %d times: %q", f.injected, run.Why)
				}
			})
		})
	}
}

// A phase that an interrupted run did not reach decides nothing.
func TestPhaseThatWasNotReached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 100, prompt())},
			"a.errors == 0 during late", "a.offered > 200 during baseline")
		sc.Phases = []scenarios.Phase{{Name: "late", At: 5 * time.Second, For: 5 * time.Second}}
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		run := mustRun(t, ctx, sc, Options{})
		if got := gateVerdicts(run); got != "errors inconclusive, offered pass" {
			t.Errorf("%s: %+v", got, run.Gates)
		}
		if names := run.WindowNames(); !slices.Equal(names, []string{"baseline", "drain"}) {
			t.Errorf("windows %q", names)
		}
	})
}

// A step of an experiment that replaces a rate has none of its named steps: a gate on one decides nothing.
func TestReplacedRateHasNoSteps(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := openStream("a", 1, prompt())
		s.Rate = &scenarios.Rate{Steps: []scenarios.Step{{Rate: 10, For: time.Second, Name: "warm"}, {Rate: 20}}}
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{s}, "a.errors == 0 during warm", "a.offered == 150")
		e, err := Open(t.Context(), sc, Options{Dir: t.TempDir(), Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		run, err := e.Play(t.Context(), Step{Rates: map[string]*scenarios.Rate{"a": {Constant: 50}}})
		if err != nil {
			t.Fatal(err)
		}
		recordtest.Valid(t, run)
		if g := run.Gates; g[0].Verdict != reports.Inconclusive || g[0].Why != "the plan of this run has no such window during warm" || g[1].Verdict != reports.Pass {
			t.Errorf("gates %+v", g)
		}
	})
}

// A gate on a step says which phase took a part of it.
func TestStepThatAPhaseHides(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a := openStream("a", 1, prompt())
		a.Rate = &scenarios.Rate{Steps: []scenarios.Step{{Rate: 10, For: 3 * time.Second, Name: "early"}, {Rate: 20, Name: "late"}}}
		sc := scenario(t, scenarios.Timing{Duration: 6 * time.Second}, []scenarios.Stream{a}, "a.errors < 1% during early", "a.errors < 1% during late")
		sc.Phases = []scenarios.Phase{{Name: "peak", At: 2 * time.Second, For: time.Second}}
		run := mustRun(t, t.Context(), sc, Options{})
		if cut, uncut := run.Gates[0].Why, run.Gates[1].Why; cut != "held during early (without its time in peak)" || uncut != "held during late" {
			t.Errorf("%q and %q", cut, uncut)
		}
	})
}
