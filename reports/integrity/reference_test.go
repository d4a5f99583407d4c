package integrity

import (
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// reference repeats the checks in a slow and obvious way: whole histories in maps and slices, each check by its definition. It
// has no bounds, and does not depend on the order of arrival.
type reference struct {
	config   Config
	ended    map[uint64]reports.Ended
	seen     []drivers.Delivery
	arrivals []reports.Ended // ended, in the order in which the ledger received them
}

// position is a place in a log, or the number of a delivery without one.
type position struct {
	drivers.Position
	delivery int
}

// positionOf is the place of a delivery: a delivery without a position is a place of its own.
func positionOf(d *drivers.Delivery, number int) position {
	if d.Position.Known {
		return position{d.Position, 0}
	}
	return position{delivery: number + 1}
}

// tally holds the reference's counts, by window and by name.
type tally []map[string]int64

func (r *reference) counts(windowAt func(time.Duration) int) (t tally, split bool) {
	t = make(tally, len(r.config.Windows))
	for i := range t {
		t[i] = make(map[string]int64)
	}
	positions := r.deliveries(t, windowAt)
	r.outcomes(t, positions)
	r.repeats(t)
	r.collisions(t)
	return t, r.order(t)
}

func (t tally) add(window int, name string, n int64) {
	if window >= 0 {
		t[window][name] += n
	}
}

func (r *reference) parse(d *drivers.Delivery) (seq uint64, ours bool) {
	seq, b := r.config.Identity.Parse(d.ID)
	return seq, b == drivers.Ours
}

// sent finds an operation of which an attempt was made.
func (r *reference) sent(seq uint64) (reports.Ended, bool) {
	e, ok := r.ended[seq]
	return e, ok && e.Outcome != drivers.Unknown
}

// deliveries counts foreign and unexpected deliveries, and returns the positions of every other operation.
func (r *reference) deliveries(t tally, windowAt func(time.Duration) int) map[uint64]map[position]bool {
	positions := make(map[uint64]map[position]bool)
	for i := range r.seen {
		d := &r.seen[i]
		seq, ours := r.parse(d)
		if !ours {
			t.add(windowAt(d.At), "foreign", 1)
			continue
		}
		if positions[seq] == nil {
			positions[seq] = make(map[position]bool)
			if e, planned := r.ended[seq]; !planned {
				t.add(windowAt(d.At), "unexpected", 1)
			} else if e.Outcome == drivers.Unknown {
				t.add(e.Window, "unexpected", 1)
			}
		}
		if d.Position.Known || !d.Redelivered || len(positions[seq]) == 0 {
			positions[seq][positionOf(d, i)] = true
		}
	}
	return positions
}

func (r *reference) outcomes(t tally, positions map[uint64]map[position]bool) {
	for seq, e := range r.ended {
		copies := int64(len(positions[seq]))
		switch {
		case e.Outcome == drivers.Unknown:
			continue
		case e.Outcome == drivers.Acked:
			t.add(e.Window, "acked", 1)
			if copies == 0 {
				t.add(e.Window, "lost", 1)
			}
		case copies > 0 && e.Outcome == drivers.Rejected:
			t.add(e.Window, "phantom", 1)
		case copies > 0:
			t.add(e.Window, "recovered", 1)
		}
		if copies > 0 {
			t.add(e.Window, "seen", 1)
			t.add(e.Window, "extra_copies", copies-1)
		}
		if copies > 1 {
			name := "effect_duplicates"
			if r.config.Mode == Log {
				name = "log_duplicates"
			}
			t.add(e.Window, name, 1)
		}
		if e.Window >= 0 {
			t[e.Window]["max_copies"] = max(t[e.Window]["max_copies"], copies)
		}
	}
}

// collisions counts acks of one place, beyond the first.
func (r *reference) collisions(t tally) {
	named := make(map[position]bool)
	for _, e := range r.arrivals {
		for _, at := range e.Trail {
			if at.Outcome != drivers.Acked || !at.Position.Known {
				continue
			}
			p := position{at.Position, 0}
			if named[p] {
				t.add(e.Window, "ack_collisions", 1)
			}
			named[p] = true
		}
	}
}

// repeats counts redeliveries: of a position, or of an origin at another position of an operation seen before.
func (r *reference) repeats(t tally) {
	positions, origins, before := make(map[position]bool), make(map[string]bool), make(map[uint64]bool)
	for i := range r.seen {
		d := &r.seen[i]
		seq, ours := r.parse(d)
		if !ours {
			continue
		}
		at := positionOf(d, i)
		again := d.Redelivered || positions[at] || d.Origin != nil && origins[string(d.Origin)]
		if e, ok := r.sent(seq); ok && before[seq] && again {
			t.add(e.Window, "redelivered", 1)
		}
		positions[at], before[seq] = true, true
		if d.Origin != nil {
			origins[string(d.Origin)] = true
		}
	}
}

// order counts violations and regressions, scope by scope. split: some key was seen in several partitions.
func (r *reference) order(t tally) (split bool) {
	if r.config.Order == None || r.config.Order == RealTime && r.config.KeyOf == nil {
		return false
	}
	type observation struct {
		seq   uint64
		first bool
	}
	scopes, homes, before := make(map[uint64][]observation), make(map[uint64]int32), make(map[uint64]bool)
	for i := range r.seen {
		d := &r.seen[i]
		seq, ours := r.parse(d)
		_, ok := r.sent(seq)
		if !ours || !ok {
			continue
		}
		first := !before[seq]
		before[seq] = true
		if !first && (r.config.Order == RealTime || !d.Position.Known && d.Redelivered) {
			continue
		}
		scope := uint64(d.Position.Log)*max(1, r.config.Producers) + seq%max(1, r.config.Producers)
		if r.config.KeyOf != nil {
			scope = r.config.KeyOf(seq)
		}
		if len(scopes[scope]) == 0 {
			homes[scope] = d.Position.Log
		}
		if homes[scope] != d.Position.Log {
			split = true
			continue
		}
		scopes[scope] = append(scopes[scope], observation{seq, first})
	}
	for _, scope := range scopes {
		for i, a := range scope {
			late := false
			for _, b := range scope[:i] {
				late = late || a.first && b.first && r.late(a.seq, b.seq)
			}
			if late {
				t.add(r.ended[a.seq].Window, "order_violations", 1)
			}
			if r.config.Order == Sequential && i > 0 && a.seq < scope[i-1].seq {
				t.add(r.ended[a.seq].Window, "regressions", 1)
			}
		}
	}
	return split
}

// late reports whether a, first seen after b, ought to have been seen before b.
func (r *reference) late(a, b uint64) bool {
	if r.config.Order == Sequential {
		return a < b
	}
	first, second := r.ended[a], r.ended[b]
	return first.Outcome == drivers.Acked && first.Done < second.Sent
}
