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

// What the generator itself did not send may have been answered at once, or never: a gate is decided where both agree.
func TestUnsentOperationsAreUnknown(t *testing.T) {
	for expr, want := range map[string]struct {
		cell    *metrics.Cell
		verdict reports.Verdict
	}{
		"a.p50 < 100s":                 {cellOf(20, 30, 100), reports.Inconclusive}, // the frozen time alone is not what was asked for
		"a.p99 < 100s":                 {cellOf(20, 30, 10), reports.Fail},
		"a.p99 > 200ms":                {cellOf(100, 0, 50), reports.Inconclusive},
		"a.p50 < 95ms":                 {cellOf(100, 0, 5), reports.Pass},
		"a.p50 < 10ms":                 {cellOf(100, 0, 5), reports.Fail},
		"a.max < 1s":                   {cellOf(100, 0, 1), reports.Inconclusive},
		"a.service.p99 < 1s":           {cellOf(100, 0, 50), reports.Inconclusive},
		"a.acked.p50 > 40ms":           {cellOf(100, 0, 50), reports.Inconclusive},
		"a.acked.p99 < 200ms":          {cellOf(100, 0, 50), reports.Pass},
		"a.within(1s) > 90%":           {cellOf(100, 0, 50), reports.Inconclusive},
		"a.within(1s) < 90%":           {cellOf(100, 0, 50), reports.Inconclusive},
		"a.within(1s) > 50%":           {cellOf(100, 0, 50), reports.Pass},
		"a.within(10ms) > 50%":         {cellOf(100, 0, 10), reports.Fail},
		"a.errors > 10%":               {cellOf(100, 0, 50), reports.Inconclusive},
		"a.errors == 0":                {cellOf(100, 0, 1), reports.Inconclusive},
		"a.errors != 10%":              {cellOf(100, 0, 50), reports.Inconclusive},
		"a.rejected < 1%":              {cellOf(100, 0, 50), reports.Pass},
		"a.indeterminate < 1%":         {cellOf(100, 0, 50), reports.Inconclusive},
		"a.dropped < 1%":               {cellOf(100, 0, 50), reports.Inconclusive},
		"a.rate > 12/s":                {cellOf(100, 0, 50), reports.Inconclusive},
		"a.rate < 12/s":                {cellOf(100, 0, 50), reports.Inconclusive},
		"a.rate > 9/s":                 {cellOf(100, 0, 50), reports.Pass},
		"a.rate > 20/s":                {cellOf(100, 0, 50), reports.Fail},
		"a.acked < 120":                {cellOf(100, 0, 50), reports.Inconclusive},
		"a.offered == 150":             {cellOf(100, 0, 50), reports.Pass},
		"a.amplification < 1.2":        {cellOf(100, 0, 50), reports.Pass},
		"a.p50 < 95ms in every second": {cellOf(100, 0, 5), reports.Pass},
	} {
		g := gateOf(t, expr)
		if got := decide(g, reading{Reading: readCell(g, want.cell, 10*time.Second)}); got.Verdict != want.verdict || got.Why == "" {
			t.Errorf("%s: %s (%s), want %s", expr, got.Verdict, got.Why, want.verdict)
		}
	}
}

// lateCell returns 1000 operations. Each is sent after its own delay, and answered after the service time.
func lateCell(service time.Duration, delay func(i int) time.Duration) *metrics.Cell {
	c := &metrics.Cell{}
	for i := range 1000 {
		d := delay(i)
		c.Lag.Record(d)
		at := drivers.Attempt{Outcome: drivers.Acked, Wire: true, Answered: true, Sent: d, Done: d + service}
		c.End(&reports.Ended{Outcome: drivers.Acked, Done: d + service, Trail: []drivers.Attempt{at}}, time.Second)
	}
	return c
}

// A time is violated only where it is without the generator's own lag, which is below max_lag.
func TestViolationsHoldWithoutTheLag(t *testing.T) {
	throttled := func(i int) time.Duration {
		if i%20 == 0 {
			return time.Duration(i%25+1) * time.Millisecond
		}
		return 0
	}
	one := func(i int) time.Duration {
		if i == 7 {
			return 90 * time.Millisecond
		}
		return 50 * time.Microsecond
	}
	for name, c := range map[string]struct {
		cell *metrics.Cell
		expr string
		want reports.Verdict
	}{
		"throttled":             {lateCell(400*time.Microsecond, throttled), "a.p99 < 15ms", reports.Inconclusive},
		"throttled, max":        {lateCell(400*time.Microsecond, throttled), "a.max < 15ms", reports.Inconclusive},
		"throttled, within":     {lateCell(400*time.Microsecond, throttled), "a.within(15ms) > 99.5%", reports.Inconclusive},
		"throttled, acked":      {lateCell(400*time.Microsecond, throttled), "a.acked.p99 < 15ms", reports.Inconclusive},
		"throttled, mean":       {lateCell(400*time.Microsecond, throttled), "a.mean < 500us", reports.Inconclusive},
		"throttled, every":      {lateCell(400*time.Microsecond, throttled), "a.p99 < 15ms in every second", reports.Inconclusive},
		"throttled, claimed":    {lateCell(400*time.Microsecond, throttled), "a.p99 > 15ms", reports.Inconclusive},
		"throttled, holds":      {lateCell(400*time.Microsecond, throttled), "a.p99 < 50ms", reports.Pass},
		"throttled, service":    {lateCell(400*time.Microsecond, throttled), "a.service.p99 < 15ms", reports.Pass},
		"throttled and slow":    {lateCell(60*time.Millisecond, throttled), "a.p99 < 15ms", reports.Fail},
		"slow, within":          {lateCell(60*time.Millisecond, throttled), "a.within(15ms) > 99%", reports.Fail},
		"slow, mean":            {lateCell(60*time.Millisecond, throttled), "a.mean < 15ms", reports.Fail},
		"one late operation":    {lateCell(60*time.Millisecond, one), "a.p99 < 15ms", reports.Fail},
		"one late, max":         {lateCell(time.Millisecond, one), "a.max < 15ms", reports.Inconclusive},
		"one late, max is ours": {lateCell(20*time.Millisecond, one), "a.max < 50ms", reports.Inconclusive},
	} {
		t.Run(name, func(t *testing.T) {
			g := gateOf(t, c.expr)
			w := &worst{gate: g}
			w.add(0, time.Second, c.cell, false)
			for _, got := range []reports.Gate{decide(g, reading{Reading: readCell(g, c.cell, time.Second)}), w.decide()} {
				if got.Verdict != c.want {
					t.Errorf("%s (%s), want %s", got.Verdict, got.Why, c.want)
				}
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

// A second that holds only by what the generator did not send leaves the gate open. Another one is nearer to the limit, and holds.
func TestSecondThatHoldsByTheUnsentLeavesTheGateOpen(t *testing.T) {
	for _, c := range []struct {
		expr       string
		open, held *metrics.Cell
	}{
		{"a.max > 20ms in every second", cellOf(10, 0, 1), cellOf(30, 0, 0)},
		{"a.rate <= 100/s in every second", cellOf(99, 0, 4), cellOf(100, 0, 0)},
		{"a.retries <= 2 in every second", cellOf(99, 0, 4), cellOf(100, 0, 0)},
	} {
		for _, cells := range [][]*metrics.Cell{{c.open, c.held}, {c.held, c.open}} {
			w := &worst{gate: gateOf(t, c.expr)}
			for i, cell := range cells {
				w.add(time.Duration(i)*time.Second, time.Second, cell, false)
			}
			want := decide(w.gate, reading{Reading: readCell(w.gate, c.open, time.Second)}).Verdict
			if got := w.decide(); got.Verdict != want {
				t.Errorf("%s: %s (%s), want %s", c.expr, got.Verdict, got.Why, want)
			}
		}
	}
}

// Both ends of a reading differ from the limit, and a value between them does not: the gate is undecided.
func TestLimitBetweenBothEnds(t *testing.T) {
	for expr, want := range map[string]reports.Verdict{
		"orders.acked == 1000": reports.Inconclusive,
		"orders.acked != 1000": reports.Inconclusive,
		"orders.acked == 900":  reports.Fail,
		"orders.acked != 900":  reports.Pass,
		"orders.acked < 980":   reports.Fail,
		"orders.acked < 1000":  reports.Inconclusive,
	} {
		got := decide(gateOf(t, expr), reading{Reading: metric.Reading{Value: 990, Targets: 1010}})
		if got.Verdict != want {
			t.Errorf("%s: %s (%s), want %s", expr, got.Verdict, got.Why, want)
		}
	}
}

// The cell of a gate on a part is read with the part's name and number.
func TestGatesOnParts(t *testing.T) {
	cell := &metrics.Cell{}
	steps := drivers.Steps{{Outcome: drivers.Acked, Answered: true, Done: 1e6}, {Outcome: drivers.Indeterminate, Code: drivers.CodeCheck, Answered: true, Sent: 1e6, Done: 5e6}}
	at := drivers.Attempt{Outcome: drivers.Indeterminate, Code: drivers.CodeCheck, Wire: true, Answered: true, Done: 5e6, Steps: &steps, Checked: 3, Failed: 2}
	cell.End(&reports.Ended{Outcome: at.Outcome, Done: 5e6, Trail: []drivers.Attempt{at}}, time.Second)
	for expr, want := range map[string]reports.Verdict{
		"a.code(check) == 0":       reports.Fail,
		"a.code(timeout) == 0":     reports.Pass,
		"a.step(read).p99 < 3ms":   reports.Fail,
		"a.step(read).errors < 1%": reports.Fail,
		"a.check(paid) == 0":       reports.Fail,
	} {
		g := gateOf(t, expr)
		g.Index = 1
		if got := decide(g, reading{Reading: readCell(g, cell, time.Second)}); got.Verdict != want {
			t.Errorf("%s: %+v", expr, got)
		}
	}
}
