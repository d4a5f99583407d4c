package integrity

import (
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

func endOf(seq uint64) *reports.Ended {
	at := time.Duration(seq) * time.Millisecond
	return &reports.Ended{Op: drivers.Op{Seq: seq, Planned: at}, Outcome: drivers.Acked, Sent: at, Done: at + time.Microsecond}
}

// An operation that ends long after a later one with the same place leaves the place to the later one.
func TestTheLaterKeepsItsPlace(t *testing.T) {
	h := newHistory(limits{ring: 4, waiting: 10, unplanned: 10})
	h.ended(endOf(8), acked, true, false)
	h.ended(endOf(4), acked, true, false)
	if r := h.find(8); r == nil || r.sent != 8*time.Millisecond {
		t.Errorf("operation 8 is remembered as %+v", r)
	}
	h.ended(endOf(12), acked, true, false)
	if r := h.find(12); r == nil || r.sent != 12*time.Millisecond {
		t.Errorf("operation 12 is remembered as %+v", r)
	}
}

// A delivery that waits for its operation's end is ordered at that end, even if a later operation's key was drawn into its
// place.
func TestOrderedAsItEnds(t *testing.T) {
	l := New(Config{Stream: "orders", Identity: us, Windows: windows, Order: Sequential, KeyOf: func(seq uint64) uint64 { return seq % 7 }})
	for i, seq := range []uint64{1, 1 + drawnKeys} {
		l.Seen([]drivers.Delivery{{ID: us.Append(nil, seq), Position: drivers.PositionIn(0, int64(i))}})
	}
	l.Ended([]reports.Ended{*endOf(1)})
	if l.order.queued != 1 {
		t.Errorf("%d deliveries wait, want that of the operation that goes on", l.order.queued)
	}
	l.Ended([]reports.Ended{*endOf(1 + drawnKeys)})
	if l.order.queued != 0 {
		t.Errorf("%d deliveries wait for nothing", l.order.queued)
	}
}
