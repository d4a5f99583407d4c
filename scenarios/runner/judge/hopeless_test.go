package judge

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// planned is a scenario with one stream at 100/s for ten seconds, and one gate.
func planned(t interface{ Fatal(...any) }, expr string) *scenarios.Scenario {
	g, err := scenarios.ParseGate(expr, recordtest.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	return &scenarios.Scenario{
		Run: scenarios.Timing{Duration: 10 * time.Second}, Traffic: []scenarios.Stream{{Name: "a", Rate: &scenarios.Rate{Constant: 100}}}, Expect: []scenarios.Gate{g},
	}
}

func (s *SoFar) of(sc *scenarios.Scenario, cell *metrics.Cell) []SoFar {
	s.Spec, s.All = &sc.Traffic[0], cell
	s.Tally = NewTally(NewPlan(sc, "a"), sc.Expect, "a")
	return []SoFar{*s}
}

// count adds operations of one kind.
func count(c *metrics.Cell, n int, outcome drivers.Outcome, response time.Duration) {
	at := drivers.Attempt{Outcome: outcome, Wire: true, Done: response, Answered: outcome != drivers.Indeterminate, Code: "x"}
	for range n {
		c.End(&reports.Ended{Outcome: outcome, Done: response, Trail: []drivers.Attempt{at}}, 5*time.Second)
	}
}

func TestHopeless(t *testing.T) {
	for _, c := range []struct {
		gate              string
		bad               drivers.Outcome
		n                 int
		response          time.Duration
		limited, hopeless bool
	}{
		{"a.errors < 1%", drivers.Rejected, 11, time.Millisecond, false, true},
		{"a.errors < 1%", drivers.Rejected, 9, time.Millisecond, false, false},
		{"a.errors < 1%", drivers.Indeterminate, 11, time.Second, false, true},
		{"a.errors < 1% during baseline", drivers.Rejected, 11, time.Millisecond, false, true},
		{"a.errors > 1%", drivers.Acked, 500, time.Millisecond, false, false}, // errors may come
		{"a.p99 < 300ms", drivers.Acked, 11, 400 * time.Millisecond, false, true},
		{"a.p99 < 300ms", drivers.Acked, 11, 400 * time.Millisecond, true, false},
		{"a.p99 < 300ms", drivers.Acked, 9, 400 * time.Millisecond, false, false},
		{"a.p50 < 300ms", drivers.Acked, 400, 400 * time.Millisecond, false, false},
		{"a.max < 300ms", drivers.Acked, 1, 400 * time.Millisecond, false, true},
		{"a.within(300ms) > 99%", drivers.Acked, 11, 400 * time.Millisecond, false, true},
		{"a.within(300ms) > 99%", drivers.Acked, 9, 400 * time.Millisecond, false, false},
		{"a.rate > 90/s", drivers.Rejected, 900, time.Millisecond, false, false},
	} {
		sc := planned(t, c.gate)
		var cell metrics.Cell
		count(&cell, 20, drivers.Acked, time.Millisecond)
		count(&cell, c.n, c.bad, c.response)
		if why := Hopeless(sc, (&SoFar{Limited: c.limited}).of(sc, &cell)); (why != "") != c.hopeless {
			t.Errorf("%s after %d x %s: %q", c.gate, c.n, c.response, why)
		}
	}
}

// What is called hopeless fails, whatever comes.
func TestHopelessFails(t *testing.T) {
	gates := []string{"a.errors < 1%", "a.p99 < 300ms", "a.p90 <= 100ms", "a.mean < 50ms", "a.within(200ms) >= 95%", "a.service.p99 < 300ms", "a.acked.p99 < 300ms"}
	rapid.Check(t, func(t *rapid.T) {
		sc := planned(t, rapid.SampledFrom(gates).Draw(t, "gate"))
		var begin, all metrics.Cell
		hopeless, left := false, 1000
		for left > 0 {
			n := min(left, rapid.IntRange(1, 400).Draw(t, "n"))
			outcome := rapid.SampledFrom([]drivers.Outcome{drivers.Acked, drivers.Acked, drivers.Rejected, drivers.Indeterminate}).Draw(t, "outcome")
			response := time.Duration(rapid.IntRange(1, 600).Draw(t, "ms")) * time.Millisecond
			count(&all, n, outcome, response)
			if left -= n; !hopeless {
				count(&begin, n, outcome, response)
				hopeless = Hopeless(sc, (&SoFar{}).of(sc, &begin)) != ""
			}
		}
		if got := decide(&sc.Expect[0], reading{Reading: readCell(&sc.Expect[0], &all, 10*time.Second)}); hopeless && got.Verdict != reports.Fail {
			t.Fatalf("%s was called hopeless, and is %s: %s", got.Expr, got.Verdict, got.Why)
		}
	})
}
