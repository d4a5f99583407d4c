package runner

import (
	"time"

	"wringer/reports"
	"wringer/reports/metrics"
)

// tally is what was measured of one stream so far: the slots that are over, folded into windows and seconds.
type tally struct {
	slots   *metrics.Slots
	windows []metrics.Cell // by window index
	total   metrics.Cell
	rows    map[int]*second
	next    int // the first second that is not complete
	gauges  map[string][]reports.Sample
	worst   []*worst // one per gate `in every second` of this stream
}

// second is one second of a stream. Its histograms are kept until it is complete.
type second struct {
	cell metrics.Cell
	row  reports.Second
}

func newTally(slots *metrics.Slots, windows int) *tally {
	return &tally{slots: slots, windows: make([]metrics.Cell, windows), rows: make(map[int]*second), gauges: make(map[string][]reports.Sample)}
}

// add folds slots that are over.
func (t *tally) add(taken map[int]*metrics.Cell) {
	for slot, cell := range taken {
		at := t.slots.Slot(slot)
		t.windows[at.Window].Merge(cell)
		t.total.Merge(cell)
		s := t.rows[at.Second]
		if s == nil {
			s = &second{}
			t.rows[at.Second] = s
		}
		s.cell.Merge(cell)
	}
}

// complete calls visit for each second that ends at or before until and was not visited yet, in order, then lets go of its
// histograms.
func (t *tally) complete(until time.Duration, visit func(start time.Duration, s *second)) {
	for ; t.next < t.slots.Seconds(); t.next++ {
		start := time.Duration(t.next) * time.Second
		if start+time.Second > until {
			return
		}
		s := t.rows[t.next]
		if s == nil {
			s = &second{}
			t.rows[t.next] = s
		}
		s.row = s.cell.Second(start)
		visit(start, s)
		s.cell = metrics.Cell{}
	}
}

// seconds returns the rows in order, with a row for every second up to the end, however little happened in it.
func (t *tally) seconds(end time.Duration) []reports.Second {
	rows := []reports.Second{}
	for sec := range t.slots.Seconds() {
		start := time.Duration(sec) * time.Second
		if start >= end {
			break
		}
		row := reports.Second{StartNS: int64(start)}
		switch s := t.rows[sec]; {
		case s == nil:
		case sec < t.next:
			row = s.row
		default:
			row = s.cell.Second(start)
		}
		rows = append(rows, row)
	}
	return rows
}

// completeRows returns the rows from second first on that can no longer change and that begin before until.
func (t *tally) completeRows(first int, until time.Duration) []reports.Second {
	rows := []reports.Second{}
	for sec := first; sec < t.next && time.Duration(sec)*time.Second < until; sec++ {
		rows = append(rows, t.rows[sec].row)
	}
	return rows
}

// snapshot returns the counts so far and the row of one second, with what is open counted in.
func (t *tally) snapshot(open map[int]*metrics.Cell, sec int) (total reports.Counts, row reports.Second) {
	total = t.total.Counts
	var cell metrics.Cell
	if s := t.rows[sec]; s != nil {
		cell.Merge(&s.cell)
	}
	for slot, c := range open {
		total.Add(c.Counts)
		if t.slots.Slot(slot).Second == sec {
			cell.Merge(c)
		}
	}
	if sec >= 0 && sec < t.next {
		return total, t.rows[sec].row
	}
	return total, cell.Second(time.Duration(sec) * time.Second)
}
