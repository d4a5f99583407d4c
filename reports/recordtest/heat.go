package recordtest

import (
	"time"

	"wringer/reports"
)

// heat counts the answers of a stream's seconds, as their histograms have them.
func (f flow) heat(seconds int) *reports.Heat {
	h := &reports.Heat{StepNS: int64(time.Second)}
	for decade := int64(100_000); decade < int64(10*time.Second); decade *= 10 {
		h.BoundsNS = append(h.BoundsNS, decade, 2*decade, 5*decade)
	}
	for i := range seconds {
		column := make([]int64, len(h.BoundsNS))
		for _, b := range f.beat(i).cell().histogram() {
			row := 0
			for row < len(h.BoundsNS)-1 && b.UpToNS > h.BoundsNS[row] {
				row++
			}
			column[row] += b.Count
		}
		h.Columns = append(h.Columns, column)
	}
	return h
}
