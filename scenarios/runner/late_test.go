package runner

import (
	"testing"
	"time"

	"wringer/reports/metrics"
)

// One late operation does not make a second saturated, unless it is all of that second.
func TestOneLateOperationDecidesNoSecond(t *testing.T) {
	const maxLag = 100 * time.Millisecond
	for name, c := range map[string]struct {
		prompt, late, unsent int
		want                 bool
	}{
		"one of 20":           {19, 1, 0, false},
		"four of 20":          {16, 4, 0, false},
		"five of 20":          {15, 5, 0, true},
		"all of two":          {0, 2, 0, true},
		"the only one":        {0, 1, 0, true},
		"five of 1000":        {995, 5, 0, false},
		"11 of 1000":          {989, 11, 0, true},
		"one not sent":        {19, 0, 1, false},
		"many not sent":       {10, 0, 10, true},
		"none in this second": {0, 0, 0, false},
		"all in time":         {20, 0, 0, false},
	} {
		cell := &metrics.Cell{}
		cell.Lag.RecordMany(time.Millisecond, int64(c.prompt+c.unsent))
		cell.Lag.RecordMany(104*time.Millisecond, int64(c.late))
		for range c.unsent {
			cell.Drop(true)
		}
		if got := late(cell, maxLag); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
