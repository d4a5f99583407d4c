package judge

import (
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
)

// While a run goes on, a gate is judged by what is known so far. What is known later is left open.
func TestProvisional(t *testing.T) {
	for _, c := range []struct {
		gate string
		slow int // of 100 operations
		want reports.Verdict
	}{
		{"a.p99 < 300ms", 0, reports.Pass},
		{"a.p99 < 300ms", 50, reports.Fail},
		{"a.p99 < 300ms during baseline", 50, reports.Fail},
		{"a.p99 < 300ms during baseline", 0, reports.Pass},
		{"a.rate > 10/s", 0, reports.Pass},
		{"a.errors < 1%", 50, reports.Pass},
		{"a.acked > 5", 0, reports.Inconclusive},
		{"a.lost == 0", 0, reports.Inconclusive},
	} {
		sc := planned(t, c.gate)
		var cell metrics.Cell
		count(&cell, 100-c.slow, drivers.Acked, time.Millisecond)
		count(&cell, c.slow, drivers.Acked, time.Second)
		one := (&SoFar{}).of(sc, &cell)[0]
		one.Tally.Total.Merge(&cell)
		for _, i := range one.Tally.plan.Over("baseline") {
			one.Tally.Windows[i].Merge(&cell)
		}
		run := &reports.Run{DurationNS: 5e9}
		facts := &Facts{Scenario: sc, Streams: []Stream{{Spec: one.Spec, Tally: one.Tally}}, Limited: map[string]int{}}
		facts.Provisional(run)
		if g := run.Gates[0]; g.Verdict != c.want || g.Verdict == reports.Inconclusive && g.Why != KnownLater {
			t.Errorf("%s with %d slow operations: %s, %s", c.gate, c.slow, g.Verdict, g.Why)
		}
		if run.Validity.Verdict != reports.Valid {
			t.Errorf("validity %+v", run.Validity)
		}
		facts.Limited["a"] = 2
		facts.Provisional(run)
		if run.Validity.Verdict != reports.Inconclusive || !strings.Contains(run.Validity.Why[0], "saturated in 2 seconds of stream a") {
			t.Errorf("validity of a saturated load generator %+v", run.Validity)
		}
	}
}
