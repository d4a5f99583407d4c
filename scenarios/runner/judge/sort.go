package judge

import (
	"time"

	"wringer/reports/metrics"
)

// sorting tells the busy seconds of a tally apart: those in which the machine was the limit, and neither the run nor its target.
// Whether a second is busy is known only after the next one, so what was measured is held until then.
type sorting struct {
	slots   []heldSlot
	seconds []heldSecond
	// busy sums up, by window, what was measured in busy seconds; nil: none was.
	busy []metrics.Cell
}

type heldSlot struct {
	at   metrics.Slot
	cell *metrics.Cell
}

type heldSecond struct {
	index         int
	start, length time.Duration
	second        *Second
	cell          metrics.Cell
}

// Follow makes the tally hold what Sort will tell apart. The caller then calls Sort once a second.
func (t *Tally) Follow() { t.sorting = &sorting{} }

// Sort tells apart the seconds before second until: busy says which of them are busy.
func (t *Tally) Sort(until int, busy func(second int) bool) {
	if t.sorting == nil {
		return
	}
	t.sorting.slots = sortOut(t.sorting.slots, func(h heldSlot) bool { return h.at.Second < until }, func(h heldSlot) {
		if busy(h.at.Second) {
			if t.sorting.busy == nil {
				t.sorting.busy = make([]metrics.Cell, len(t.Windows))
			}
			t.sorting.busy[h.at.Window].Merge(h.cell)
		}
	})
	t.sorting.seconds = sortOut(t.sorting.seconds, func(h heldSecond) bool { return h.index < until }, func(h heldSecond) {
		t.judgeCalm(&h, busy(h.index))
	})
}

// sortOut calls do for what is known, and returns the rest.
func sortOut[T any](held []T, known func(T) bool, do func(T)) (rest []T) {
	for _, h := range held {
		if known(h) {
			do(h)
		} else {
			rest = append(rest, h)
		}
	}
	return rest
}

// judgeCalm lets the gates that every second must meet look at a second once more. In a busy one they see what stands alone.
func (t *Tally) judgeCalm(h *heldSecond, busy bool) {
	cell := &h.cell
	if busy {
		h.second.Row.Busy = true
		cell = cell.Excused()
	}
	for _, w := range t.worst {
		if !t.meets(w, h.start, h.length) {
			continue
		}
		if w.calm == nil {
			w.calm = &worst{gate: w.gate}
		}
		w.calm.add(h.start, h.length, cell, h.second.Row.Limited)
	}
}

// busyOver is what was measured over some windows in busy seconds.
func (t *Tally) busyOver(windows []int) *metrics.Cell {
	sum := &metrics.Cell{}
	if t.sorting != nil && t.sorting.busy != nil {
		for _, w := range windows {
			sum.Merge(&t.sorting.busy[w])
		}
	}
	return sum
}

// busyLength is the time of some windows before until that lies in busy seconds.
func (t *Tally) busyLength(windows []int, until time.Duration) (sum time.Duration) {
	for _, w := range windows {
		for i := range t.plan.Slots.Len() {
			slot := t.plan.Slots.Slot(i)
			if s := t.rows[slot.Second]; slot.Window == w && s != nil && s.Row.Busy {
				sum += max(min(slot.End, until)-slot.Start, 0)
			}
		}
	}
	return sum
}
