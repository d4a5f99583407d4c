package judge

import (
	"time"

	"wringer/reports/metrics"
	"wringer/scenarios"
)

// sorting tells the seconds of a tally apart that say little of the target. In busy ones the machine was the limit, and neither the run
// nor its target. In bunched ones the load generator sent operations late. Which of both a second is, is known only after the
// next one, so what was measured is held until then.
type sorting struct {
	slots   []heldSlot
	seconds []heldSecond
	// apart sums up, by kind and window, what was measured in such seconds; nil: nothing was.
	apart [busy | bunched + 1][]metrics.Cell
}

// kind is a set of reasons why a second says little of the target, in it or in a second beside it; 0: there is none.
type kind uint8

const (
	busy    kind = 1 << iota // the machine was the limit
	bunched                  // the load generator sent operations late, and so in a bunch
)

// excused is the best that a target could have done in seconds of a kind, given what stands.
func (k kind) excused(c *metrics.Cell) *metrics.Cell {
	if k&bunched != 0 {
		return c.Unbunched()
	}
	return c.Excused()
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

// Sort tells apart the seconds before second until whose next second is complete, with rest all of them: isBusy says which of them
// are busy.
func (t *Tally) Sort(until int, rest bool, isBusy func(second int) bool) {
	if t.sorting == nil {
		return
	}
	known := func(second int) bool {
		return rest || second < until && (second+1 < t.next || t.next == t.plan.Slots.Seconds())
	}
	t.sorting.slots = sortOut(t.sorting.slots, func(h heldSlot) bool { return known(h.at.Second) }, func(h heldSlot) {
		if k := t.kindOf(h.at.Second, isBusy); k != 0 {
			if t.sorting.apart[k] == nil {
				t.sorting.apart[k] = make([]metrics.Cell, len(t.Windows))
			}
			t.sorting.apart[k][h.at.Window].Merge(h.cell)
		}
	})
	t.sorting.seconds = sortOut(t.sorting.seconds, func(h heldSecond) bool { return known(h.index) }, func(h heldSecond) {
		t.judgeCalm(&h, t.kindOf(h.index, isBusy))
	})
}

// kindOf says why a second says little of the target.
func (t *Tally) kindOf(second int, isBusy func(second int) bool) (k kind) {
	if isBusy(second) {
		k |= busy
	}
	if t.bunched(second) {
		k |= bunched
	}
	return k
}

// bunched says whether operations of a second, or of one beside it, were sent late, so that the load generator was saturated.
func (t *Tally) bunched(second int) bool {
	for at := second - 1; at <= second+1; at++ {
		if t.lateIn(at) > 0 {
			return true
		}
	}
	return false
}

// lateIn counts the operations of a second that were sent late.
func (t *Tally) lateIn(second int) int64 {
	if s := t.rows[second]; s != nil {
		return s.Late
	}
	return 0
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

// judgeCalm lets the gates that every second must meet look at a second once more. In one that is told apart they see what stands.
func (t *Tally) judgeCalm(h *heldSecond, k kind) {
	h.second.Row.Busy = k&busy != 0
	if t.Total.Counts.Acked == 0 {
		k &^= bunched
	}
	cell := &h.cell
	if k != 0 {
		cell = k.excused(cell)
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

// calmSoFar is the account of a gate that every second must meet, over the seconds that are over and that nothing excuses; nil: there
// is none. isBusy also tells of a second that may turn out to be busy.
func (t *Tally) calmSoFar(g *scenarios.Gate, isBusy func(second int) bool) *worst {
	w := t.worstOf(g)
	if w == nil || t.sorting == nil {
		return w
	}
	soFar := worst{gate: g}
	if w.calm != nil {
		soFar = *w.calm
	}
	for _, h := range t.sorting.seconds {
		if t.meets(w, h.start, h.length) && t.kindOf(h.index, isBusy) == 0 {
			soFar.add(h.start, h.length, &h.cell, h.second.Row.Limited)
		}
	}
	return &soFar
}

// apart is what was measured over some windows in seconds that say little of the target, and the best that the target could have
// done in them. A bunch makes a target refuse some operations. Where none at all was acked it is no reason.
func (t *Tally) apart(windows []int) (all, best *metrics.Cell) {
	all, best = &metrics.Cell{}, &metrics.Cell{}
	acked := t.Over(windows).Counts.Acked > 0
	for k := busy; k <= busy|bunched; k++ {
		reason := k
		if !acked {
			reason &^= bunched
		}
		if reason == 0 {
			continue
		}
		sum := t.sumOf(k, windows)
		all.Merge(sum)
		best.Merge(reason.excused(sum))
	}
	return all, best
}

// sumOf is what was measured over some windows in seconds of exactly one kind.
func (t *Tally) sumOf(k kind, windows []int) *metrics.Cell {
	sum := &metrics.Cell{}
	if t.sorting != nil && t.sorting.apart[k] != nil {
		for _, w := range windows {
			sum.Merge(&t.sorting.apart[k][w])
		}
	}
	return sum
}

// busyOver is what was measured over some windows in busy seconds.
func (t *Tally) busyOver(windows []int) *metrics.Cell {
	sum := t.sumOf(busy, windows)
	sum.Merge(t.sumOf(busy|bunched, windows))
	return sum
}

// busyLength is the time of some windows before until that lies in busy seconds.
func (t *Tally) busyLength(windows []int, until time.Duration) (sum time.Duration) {
	return t.lengthOf(windows, until, func(second int) bool { return t.rows[second] != nil && t.rows[second].Row.Busy })
}

// apartLength is the time of some windows before until that lies in seconds that say little of the target.
func (t *Tally) apartLength(windows []int, until time.Duration) time.Duration {
	acked := t.Over(windows).Counts.Acked > 0
	return t.lengthOf(windows, until, func(second int) bool {
		return t.rows[second] != nil && t.rows[second].Row.Busy || acked && t.bunched(second)
	})
}

func (t *Tally) lengthOf(windows []int, until time.Duration, is func(second int) bool) (sum time.Duration) {
	for _, w := range windows {
		for i := range t.plan.Slots.Len() {
			if slot := t.plan.Slots.Slot(i); slot.Window == w && is(slot.Second) {
				sum += max(min(slot.End, until)-slot.Start, 0)
			}
		}
	}
	return sum
}
