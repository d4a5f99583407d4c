package effects

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func seenAt(id drivers.Identity, seq uint64, at time.Duration, provisional bool) []drivers.Delivery {
	return []drivers.Delivery{{ID: id.Append(nil, seq), At: at, Provisional: provisional}}
}

// An operation's time in several places is that of the place where it came last.
func TestSeveralPlaces(t *testing.T) {
	id := drivers.Identity{Run: "r1", Stream: "orders"}
	a := New(Config{Identity: id, Windows: []string{"w"}, Places: 2})
	a.Ended([]reports.Ended{{Op: drivers.Op{Seq: 0}, Outcome: drivers.Acked}, {Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
	a.In(0).Seen(seenAt(id, 0, time.Second, false))
	a.In(1).Seen(seenAt(id, 0, 3*time.Second, true))
	a.In(1).Seen(seenAt(id, 0, 9*time.Second, false))
	a.In(0).Seen(seenAt(id, 1, time.Second, false))
	r := a.result("")
	if c := r.Windows["w"]; c.Times.Count() != 1 || c.Lost != 1 || c.Unknown != 0 || c.Latest != 3*time.Second {
		t.Errorf("%d times up to %s, %d lost, %d unknown", c.Times.Count(), c.Latest, c.Lost, c.Unknown)
	}
}

// A reading that is not the last dates an effect. If the last does not hold the effect, no time of the place is known.
func TestProvisionalSightings(t *testing.T) {
	id := drivers.Identity{Run: "r1", Stream: "orders"}
	for _, confirmed := range []bool{true, false} {
		a := New(Config{Identity: id, Windows: []string{"w"}})
		a.Ended([]reports.Ended{{Op: drivers.Op{Seq: 0}, Outcome: drivers.Acked}, {Op: drivers.Op{Seq: 1}, Outcome: drivers.Acked}})
		for seq := range uint64(2) {
			a.Seen(seenAt(id, seq, time.Second, true))
			a.Seen(seenAt(id, seq, 2*time.Second, true))
		}
		a.Seen(seenAt(id, 0, 5*time.Second, false))
		if confirmed {
			a.Seen(seenAt(id, 1, 5*time.Second, false))
		}
		r := a.result("")
		c := r.Windows["w"]
		if confirmed && (c.Times.Count() != 2 || c.Latest != time.Second || r.Why != "") {
			t.Errorf("%d times up to %s: %s", c.Times.Count(), c.Latest, r.Why)
		}
		if !confirmed && (c.Times.Count() != 0 || c.Unknown != 2 || r.Why == "") {
			t.Errorf("one effect is gone: %d times, %d unknown: %s", c.Times.Count(), c.Unknown, r.Why)
		}
	}
}
