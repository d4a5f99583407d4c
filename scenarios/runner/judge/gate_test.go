package judge

import (
	"math"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// cellOf has acked operations that took 1 to n ms, some without an answer, and some that the load generator did not send.
func cellOf(acked, unanswered, ours int) *metrics.Cell {
	c := &metrics.Cell{}
	for i := range acked {
		elapsed := time.Duration(i+1) * time.Millisecond
		c.End(&reports.Ended{Outcome: drivers.Acked, Done: elapsed, Trail: []drivers.Attempt{{Outcome: drivers.Acked, Wire: true, Answered: true, Done: elapsed}}}, time.Second)
	}
	for range unanswered {
		c.End(&reports.Ended{Outcome: drivers.Indeterminate, Trail: []drivers.Attempt{{Outcome: drivers.Indeterminate, Code: drivers.CodeTimeout, Wire: true}}}, time.Second)
	}
	for range ours {
		c.Drop(true)
	}
	return c
}

func gateOf(t *testing.T, expr string) *scenarios.Gate {
	t.Helper()
	g, err := scenarios.ParseGate(expr, recordtest.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	return &g
}

func TestObserveKnowsTheWholeVocabulary(t *testing.T) {
	cell := cellOf(98, 1, 1)
	for expr, want := range map[string]float64{
		"a.p50 < 1s":            50e6,
		"a.p90 < 1s":            90e6,
		"a.p95 < 1s":            95e6,
		"a.p99 < 1s":            math.Inf(1),
		"a.p999 < 1s":           math.Inf(1),
		"a.max < 1s":            math.Inf(1),
		"a.mean < 1s":           math.Inf(1),
		"a.acked.p99 < 1s":      98e6,
		"a.acked.max < 1s":      98e6,
		"a.acked.mean < 1s":     49.5e6,
		"a.service.p50 < 1s":    50e6,
		"a.service.p999 < 1s":   math.Inf(1),
		"a.within(50.5ms) > 1%": 0.50,
		"a.errors < 1%":         0.02,
		"a.rejected < 1%":       0,
		"a.indeterminate < 1%":  0.01,
		"a.dropped < 1%":        0.01,
		"a.rate > 1/s":          9.8,
		"a.attempts < 1":        99,
		"a.retries < 1":         0,
		"a.amplification < 1.2": 1,
		"a.offered > 1":         100,
		"a.sent > 1":            99,
		"a.acked > 1":           98,
	} {
		o := readCell(gateOf(t, expr), cell, 10*time.Second)
		if o.Missing != "" || (o.Value != want && math.Abs(o.Value-want) > 0.02*want) {
			t.Errorf("%s: %v (%s), want %v", expr, o.Value, o.Missing, want)
		}
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		name    string
		expr    string
		cell    *metrics.Cell
		limited bool
		want    reports.Verdict
	}{
		{"a time that holds", "a.p90 < 95ms", cellOf(100, 0, 0), false, reports.Pass},
		{"a time that does not", "a.p90 < 50ms", cellOf(100, 0, 0), false, reports.Fail},
		{"nothing measured", "a.p90 < 50ms", &metrics.Cell{}, false, reports.Inconclusive},
		{"a time that holds under a late generator", "a.p90 < 95ms", cellOf(100, 0, 0), true, reports.Inconclusive},
		{"a time that does not, under a late generator", "a.p90 < 50ms", cellOf(100, 0, 0), true, reports.Inconclusive},
		{"the target did not answer, under a late generator", "a.p90 < 50ms", cellOf(50, 50, 0), true, reports.Fail},
		{"errors under a late generator", "a.errors < 1%", cellOf(50, 50, 0), true, reports.Fail},
		{"errors that are the generator's own", "a.errors < 1%", cellOf(100, 0, 50), false, reports.Inconclusive},
		{"errors of both", "a.errors < 1%", cellOf(50, 50, 50), false, reports.Fail},
		{"a share within, missed by our own drops", "a.within(1s) > 90%", cellOf(100, 0, 50), false, reports.Inconclusive},
		{"at the limit", "a.errors <= 50%", cellOf(50, 50, 0), false, reports.Pass},
		{"a rate that is too low because we were late", "a.rate > 1000/s", cellOf(100, 0, 0), true, reports.Inconclusive},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gateOf(t, c.expr)
			got := decide(g, reading{Reading: readCell(g, c.cell, 10*time.Second), limited: c.limited})
			if got.Verdict != c.want || got.Why == "" {
				t.Errorf("%s (%s), want %s", got.Verdict, got.Why, c.want)
			}
		})
	}
}

func TestLowerBoundsNeverPass(t *testing.T) {
	for _, c := range []struct {
		expr  string
		value float64
		want  reports.Verdict
	}{
		{"a.lost <= 5", 3, reports.Inconclusive},
		{"a.lost <= 5", 6, reports.Fail},
		{"a.lost == 0", 1, reports.Fail},
		{"a.lost == 5", 3, reports.Inconclusive},
		{"a.seen > 5", 6, reports.Inconclusive},
		{"a.seen > 5", 3, reports.Inconclusive},
	} {
		r := metric.Found(c.value)
		r.AtLeast = "cut short"
		got := decide(gateOf(t, c.expr), reading{Reading: r})
		if got.Verdict != c.want {
			t.Errorf("%s at least %g: %s, want %s", c.expr, c.value, got.Verdict, c.want)
		}
	}
}

func TestRecoveryThatTheGeneratorMayHaveDelayedDecidesNothing(t *testing.T) {
	between := metric.Reading{Value: float64(8 * time.Second), Targets: float64(2 * time.Second)}
	for expr, want := range map[string]reports.Verdict{
		"a.recovery < 9s": reports.Pass,
		"a.recovery < 5s": reports.Inconclusive,
		"a.recovery > 5s": reports.Inconclusive,
		"a.recovery < 1s": reports.Fail,
	} {
		if got := decide(gateOf(t, expr+" after cut"), reading{Reading: between}); got.Verdict != want {
			t.Errorf("%s, between 2 s and 8 s: %s (%s), want %s", expr, got.Verdict, got.Why, want)
		}
	}
}

func TestWorstSecondDecides(t *testing.T) {
	w := &worst{gate: gateOf(t, "a.p90 < 80ms in every second")}
	w.add(0, time.Second, cellOf(50, 0, 0), false)
	if got := w.decide(); got.Verdict != reports.Pass {
		t.Errorf("one good second: %s", got.Verdict)
	}
	w.add(time.Second, time.Second, cellOf(100, 0, 0), true)
	if got := w.decide(); got.Verdict != reports.Inconclusive {
		t.Errorf("with one in which the load generator was saturated: %s", got.Verdict)
	}
	w.add(2*time.Second, time.Second, cellOf(90, 0, 0), false)
	if got := w.decide(); got.Verdict != reports.Fail {
		t.Errorf("with a bad one: %s (%s)", got.Verdict, got.Why)
	}
}

// A saturated second that held leaves the gate open, though another one that held was worse.
func TestSaturatedSecondThatHeldLeavesTheGateOpen(t *testing.T) {
	for _, first := range []bool{true, false} {
		w := worst{gate: gateOf(t, "a.rate >= 40/s in every second")}
		w.add(0, time.Second, cellOf(90, 0, 0), first)
		w.add(time.Second, time.Second, cellOf(50, 0, 0), false)
		w.add(2*time.Second, time.Second, cellOf(95, 0, 0), !first)
		if got := w.decide(); got.Verdict != reports.Inconclusive {
			t.Errorf("%s (%s), want inconclusive", got.Verdict, got.Why)
		}
	}
}
