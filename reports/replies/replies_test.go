package replies

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// A stray has the story of its operation, whether it comes before the end of that or after it. Those of the warm-up are left out, and what
// comes anew is not got twice.
func TestEvidence(t *testing.T) {
	e := New(reports.CheckConfig{Stream: "orders", Identity: drivers.Identity{Run: "r", Stream: "orders"}, Windows: []string{"baseline", "cut"},
		WindowAt: func(at time.Duration) int { return int(at/time.Second) - 1 }})
	ended := func(seq uint64, window int, outcome drivers.Outcome, tries int) reports.Ended {
		one := reports.Ended{Op: drivers.Op{Seq: seq}, Window: window, Outcome: outcome, Sent: time.Second, Done: 2 * time.Second}
		for range tries {
			var at drivers.Attempt
			at.Reset(1, time.Second)
			one.Trail = append(one.Trail, at)
		}
		return one
	}
	e.Stray(&drivers.Stray{Kind: drivers.StrayLate, Seq: 9, At: time.Second})
	e.Stray(nil)
	e.Ended([]reports.Ended{ended(1, 0, drivers.Acked, 1), ended(2, reports.WindowWarmup, drivers.Acked, 1)})
	e.Stray(&drivers.Stray{Kind: drivers.StrayTwice, Seq: 1, At: 2 * time.Second, Why: "2 replies came"})
	e.Stray(&drivers.Stray{Kind: drivers.StrayLate, Seq: 2, At: 2 * time.Second})
	e.Stray(&drivers.Stray{Kind: drivers.StrayMisdirected, Seq: 3, At: time.Second})
	e.Stray(&drivers.Stray{Kind: drivers.StrayForeign, Correlation: "x", At: time.Second})
	e.Stray(&drivers.Stray{Kind: drivers.StrayForeign, Correlation: "early", At: 0})
	e.Stray(&drivers.Stray{Kind: drivers.StrayLate, Seq: 4, At: 2 * time.Second})
	e.Ended([]reports.Ended{ended(3, 1, drivers.Indeterminate, 2)})
	var got []string
	for _, v := range e.Finish(reports.Completeness{Known: true}).Violations {
		got = append(got, v.Kind+" "+v.ID+" "+v.Window+" "+v.Outcome+" "+string(rune('0'+len(v.Attempts))))
	}
	want := []string{"reply_foreign x baseline  0", "reply_late r.orders.4 cut  0", "reply_misdirected r.orders.3 cut indeterminate 2", "reply_twice r.orders.1 baseline acked 1"}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}
