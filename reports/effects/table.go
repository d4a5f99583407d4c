package effects

import (
	"time"

	"wringer/reports/pages"
)

// page holds what is known of the operations that one page covers.
type page struct {
	ended, seen   *pages.Bits
	nEnded, nSeen int16
}

// half is what is known of an operation that waits for its other half: its end, or its first sighting.
type half struct {
	seq uint64
	// at is the planned start of an end, and when a sighting was observed, on the run's clock.
	at       time.Duration
	window   int16
	acked    bool
	sighting bool
	used     bool // false: an empty place of the ring
}

// table holds the halves, one of an operation at most: in a ring, placed by the operation's number, and in a bounded map once
// another took that place.
type table struct {
	ring  []half
	older map[uint64]half
	bound int
}

func newTable(l limits) table {
	return table{ring: make([]half, l.ring), older: make(map[uint64]half), bound: l.waiting}
}

func (t *table) place(seq uint64) *half { return &t.ring[seq&uint64(len(t.ring)-1)] }

// put keeps h. spilt says that old found no room any more, and is let go.
func (t *table) put(h half) (old half, spilt bool) {
	place := t.place(h.seq)
	old = *place
	h.used = true
	*place = h
	if !old.used {
		return half{}, false
	}
	if len(t.older) >= t.bound {
		return old, true
	}
	t.older[old.seq] = old
	return half{}, false
}

// take returns the half that is kept of an operation, and keeps it no longer.
func (t *table) take(seq uint64) (h half, ok bool) {
	if place := t.place(seq); place.used && place.seq == seq {
		h = *place
		place.used = false
		return h, true
	}
	if len(t.older) == 0 {
		return half{}, false
	}
	if h, ok = t.older[seq]; ok {
		delete(t.older, seq)
	}
	return h, ok
}

// each visits what is kept, in no order.
func (t *table) each(visit func(*half)) {
	for i := range t.ring {
		if t.ring[i].used {
			visit(&t.ring[i])
		}
	}
	for _, h := range t.older {
		visit(&h)
	}
}
