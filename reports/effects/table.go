package effects

import (
	"time"

	"wringer/reports/pages"
)

// page holds the known facts of the operations that it covers.
type page struct {
	ended, seen   *pages.Bits
	nEnded, nSeen int16
	// unconfirmed effects were seen in readings that were not the last. nUnconfirmed is their number.
	unconfirmed  *pages.Bits
	nUnconfirmed int16
	places       []sighted // by place; nil: there is one place
}

// half is the known half of an operation that waits for the other: its end, or its first sighting.
type half struct {
	seq uint64
	// at is the planned start for an end, and the time of observation for a sighting, on the run's clock.
	at       time.Duration
	window   int16
	acked    bool
	sighting bool
	used     bool // false: an empty place of the ring
}

// table holds the halves, at most one per operation: in a ring, placed by the operation's number, and in a bounded map once
// another operation took that place.
type table struct {
	ring  []half
	older map[uint64]half
	bound int
}

func newTable(l limits) table {
	return table{ring: make([]half, l.ring), older: make(map[uint64]half), bound: l.waiting}
}

func (t *table) place(seq uint64) *half { return &t.ring[seq&uint64(len(t.ring)-1)] }

// put keeps h. spilt means that old found no room any more, and is dropped.
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

// take returns the half that is kept of an operation, and drops it from the table.
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

// each visits the kept halves, in no order.
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
