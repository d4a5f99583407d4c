package metrics

import (
	"slices"
	"testing"
	"time"
)

func TestHeatCountsEachAnswerOnce(t *testing.T) {
	for name, seconds := range map[string]int{"short": 3, "just fits": mostColumns, "doubled": mostColumns + 1, "a day": 86_400} {
		var h Heat
		var answers int64
		for s := range seconds {
			var times HeatRow
			for range 5 {
				times.Record(time.Duration(1+s%7) * time.Millisecond)
			}
			times.Record(2 * time.Second)
			h.Add(s, &times)
			answers += 6
		}
		rec := h.Record()
		if len(rec.Columns) > mostColumns || len(rec.Columns)*int(rec.StepNS/int64(time.Second)) < seconds {
			t.Errorf("%s: %d columns of %d ns for %d seconds", name, len(rec.Columns), rec.StepNS, seconds)
		}
		var sum int64
		for _, column := range rec.Columns {
			for _, n := range column {
				sum += n
			}
		}
		if sum != answers {
			t.Errorf("%s: %d answers became %d", name, answers, sum)
		}
	}
}

func TestHeatKeepsTheSecondsWithoutAnswers(t *testing.T) {
	var h Heat
	if h.Record() != nil {
		t.Error("a heat of nothing")
	}
	var times HeatRow
	times.Record(3 * time.Millisecond)
	h.Add(5, &times)
	rec := h.Record()
	if len(rec.Columns) != 6 || len(rec.Columns[0]) != 0 || len(rec.BoundsNS) != 1 || rec.Columns[5][0] != 1 {
		t.Errorf("%+v", rec)
	}
	if bound := rec.BoundsNS[0]; bound < int64(3*time.Millisecond) || bound > int64(5*time.Millisecond) {
		t.Errorf("3 ms is counted up to %d ns", bound)
	}
}

// Each response time is in the row that its bounds say, however fast or slow it is.
func TestTheRowsOfAHeat(t *testing.T) {
	if !slices.IsSorted(heatBounds[:]) || heatBounds[0] != lowest || heatBounds[heatRows-1] != highest {
		t.Fatalf("bounds %v", heatBounds)
	}
	for _, d := range []time.Duration{-1, 0, 1, time.Microsecond, time.Microsecond + 1, 3 * time.Millisecond, time.Minute, time.Hour, 5 * time.Hour} {
		var r HeatRow
		r.Record(d)
		row := slices.Index(r[:], 1)
		at := min(int64(d), highest)
		if at > heatBounds[row] || row > 0 && at <= heatBounds[row-1] {
			t.Errorf("%v is in the row up to %d ns", d, heatBounds[row])
		}
	}
}

// BenchmarkHeat is what each answered operation costs.
func BenchmarkHeat(b *testing.B) {
	var r HeatRow
	b.ReportAllocs()
	for i := range b.N {
		r.Record(time.Duration(i%1000) * time.Microsecond)
	}
}
