package judge

import (
	"time"

	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// Tally is what was measured of one stream so far: the slots that are over, folded into windows and seconds.
type Tally struct {
	plan    *Plan
	Windows []metrics.Cell // by window index
	Total   metrics.Cell
	Heat    metrics.Heat // of the seconds that are complete
	rows    map[int]*Second
	next    int // the first second that is not complete
	Gauges  map[string][]reports.Sample
	Before  map[string]Before // of each gauge, by name: its last reading in the warm-up
	worst   []*worst          // one per gate `in every second` of this stream
	sorting *sorting          // nil: no seconds are told apart
}

// Second is one second of a stream. Its histograms are kept until it is complete.
type Second struct {
	Cell metrics.Cell
	Row  reports.Second
	// Late operations, where they made the load generator saturated.
	Late int64
	// Overtaken operations are among them; Without is the row without those.
	Overtaken int
	Without   reports.Second
}

// Before is what a gauge was in the warm-up. Those of one name are summed up.
type Before struct {
	At    time.Duration // negative
	Value float64
}

// NewTally makes the tally of a stream, which also follows those gates that every second must meet.
func NewTally(plan *Plan, gates []scenarios.Gate, stream string) *Tally {
	return &Tally{
		plan: plan, Windows: make([]metrics.Cell, len(plan.Names)), rows: make(map[int]*Second),
		Gauges: make(map[string][]reports.Sample), Before: make(map[string]Before), worst: newWorst(gates, stream),
	}
}

// Add folds slots that are over.
func (t *Tally) Add(taken map[int]*metrics.Cell) {
	for slot, cell := range taken {
		at := t.plan.Slots.Slot(slot)
		t.Windows[at.Window].Merge(cell)
		t.Total.Merge(cell)
		s := t.rows[at.Second]
		if s == nil {
			s = &Second{}
			t.rows[at.Second] = s
		}
		s.Cell.Merge(cell)
		if t.sorting != nil {
			t.sorting.slots = append(t.sorting.slots, heldSlot{at, cell})
		}
	}
}

// Complete calls visit for each second that ends at or before until and was not visited yet, in order, then lets go of its
// histograms.
func (t *Tally) Complete(until time.Duration, visit func(start time.Duration, s *Second)) {
	for ; t.next < t.plan.Slots.Seconds(); t.next++ {
		start := time.Duration(t.next) * time.Second
		if start+time.Second > until {
			return
		}
		s := t.rows[t.next]
		if s == nil {
			s = &Second{}
			t.rows[t.next] = s
		}
		s.Row = s.Cell.Second(start)
		if s.Overtaken = len(s.Cell.Overtaken); s.Overtaken > 0 {
			s.Without = s.Cell.Without(s.Cell.Overtaken).Second(start)
		}
		visit(start, s)
		t.Heat.Add(t.next, &s.Cell.Heat)
		s.Cell = metrics.Cell{}
	}
}

// Rows returns the rows in order, with a row for every second up to the end, however little happened in it.
func (t *Tally) Rows(end time.Duration) []reports.Second {
	rows := []reports.Second{}
	for sec := range t.plan.Slots.Seconds() {
		start := time.Duration(sec) * time.Second
		if start >= end {
			break
		}
		row := reports.Second{StartNS: int64(start)}
		switch s := t.rows[sec]; {
		case s == nil:
		case sec < t.next:
			row = s.Row
		default:
			row = s.Cell.Second(start)
		}
		rows = append(rows, row)
	}
	return rows
}

// CompleteRows returns the rows from second first on that can no longer change and that begin before until.
func (t *Tally) CompleteRows(first int, until time.Duration) []reports.Second {
	rows := []reports.Second{}
	for sec := first; sec < t.next && time.Duration(sec)*time.Second < until; sec++ {
		rows = append(rows, t.rows[sec].Row)
	}
	return rows
}

// Over is what was measured over some windows together. It may be a part of the tally: the caller does not change it.
func (t *Tally) Over(windows []int) *metrics.Cell {
	if len(windows) == 1 {
		return &t.Windows[windows[0]]
	}
	sum := &metrics.Cell{}
	for _, w := range windows {
		sum.Merge(&t.Windows[w])
	}
	return sum
}

// Slot says of which window and second a slot is.
func (t *Tally) Slot(slot int) metrics.Slot { return t.plan.Slots.Slot(slot) }

// Snapshot returns the counts so far and the row of one second, with what is open counted in.
func (t *Tally) Snapshot(open map[int]*metrics.Cell, sec int) (total reports.Counts, row reports.Second) {
	total = t.Total.Counts
	var cell metrics.Cell
	if s := t.rows[sec]; s != nil {
		cell.Merge(&s.Cell)
	}
	for slot, c := range open {
		total.Add(c.Counts)
		if t.plan.Slots.Slot(slot).Second == sec {
			cell.Merge(c)
		}
	}
	if sec >= 0 && sec < t.next {
		return total, t.rows[sec].Row
	}
	return total, cell.Second(time.Duration(sec) * time.Second)
}

// Judge lets the gates that every second must meet look at a second of that length. A gate over a window looks at the
// seconds that lie in it as a whole.
func (t *Tally) Judge(start, length time.Duration, s *Second) {
	for _, w := range t.worst {
		if t.meets(w, start, length) {
			w.add(start, length, &s.Cell, s.Row.Limited)
		}
	}
	if t.sorting != nil {
		t.sorting.seconds = append(t.sorting.seconds, heldSecond{int(start / time.Second), start, length, s, s.Cell})
	}
}

// meets says whether a second lies in the scope of a gate.
func (t *Tally) meets(w *worst, start, length time.Duration) bool {
	window := w.gate.Scope.Window
	return window == "" || t.plan.within(window, start, start+length)
}

// worstOf is the account of a gate that every second must meet, nil when g is none.
func (t *Tally) worstOf(g *scenarios.Gate) *worst {
	for _, w := range t.worst {
		if w.gate == g {
			return w
		}
	}
	return nil
}
