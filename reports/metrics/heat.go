package metrics

import (
	"slices"
	"time"

	"wringer/reports"
)

// mostColumns is the most columns of a Heat. A longer run has columns of more seconds.
const mostColumns = 240

// heatRows is the number of a Heat's rows.
const heatRows = 59

// heatBounds are the upper bounds of a Heat's rows: six in each decade.
var heatBounds = func() (all [heatRows]int64) {
	row := 0
	for decade := lowest; decade < highest; decade *= 10 {
		for _, tenths := range []int64{10, 15, 20, 30, 50, 70} {
			if bound := decade * tenths / 10; bound < highest {
				all[row] = bound
				row++
			}
		}
	}
	all[row] = highest
	return all
}()

// HeatRow counts response times by their size, in the rows of a Heat. The zero value is empty and ready.
type HeatRow [heatRows]int64

// Record counts one response time. It allocates nothing.
func (r *HeatRow) Record(d time.Duration) {
	row, _ := slices.BinarySearch(heatBounds[:], min(int64(d), highest))
	r[row]++
}

// Merge adds all of o.
func (r *HeatRow) Merge(o *HeatRow) {
	for i, n := range o {
		r[i] += n
	}
}

// Heat counts response times by second and by size. The zero value is empty and ready. It is not safe for concurrent use.
type Heat struct {
	step    int // seconds of a column
	columns []*HeatRow
}

// Add counts the response times of a second, from 0. Later seconds than 240 columns hold make each column twice as long.
func (h *Heat) Add(second int, times *HeatRow) {
	if *times == (HeatRow{}) {
		return
	}
	h.step = max(h.step, 1)
	for second/h.step >= mostColumns {
		h.double()
	}
	at := second / h.step
	for len(h.columns) <= at {
		h.columns = append(h.columns, &HeatRow{})
	}
	h.columns[at].Merge(times)
}

// double joins each two columns.
func (h *Heat) double() {
	h.step *= 2
	var joined []*HeatRow
	for i, column := range h.columns {
		if i%2 == 0 {
			joined = append(joined, column)
			continue
		}
		joined[len(joined)-1].Merge(column)
	}
	h.columns = joined
}

// Record is the heat for the record, with the rows from the fastest answer to the slowest; nil without any. It shares nothing with h.
func (h *Heat) Record() *reports.Heat {
	low, high := heatRows, -1
	for _, column := range h.columns {
		for row, n := range column {
			if n > 0 {
				low, high = min(low, row), max(high, row)
			}
		}
	}
	if high < 0 {
		return nil
	}
	out := &reports.Heat{StepNS: int64(h.step) * int64(time.Second), BoundsNS: slices.Clone(heatBounds[low : high+1]), Columns: [][]int64{}}
	for _, column := range h.columns {
		counts := slices.Clone(column[low : high+1])
		for len(counts) > 0 && counts[len(counts)-1] == 0 {
			counts = counts[:len(counts)-1]
		}
		out.Columns = append(out.Columns, counts)
	}
	return out
}
