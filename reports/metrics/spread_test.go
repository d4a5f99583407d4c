package metrics

import (
	"testing"
	"time"
)

// A spread has no percentile beyond the answers, and none beyond which less than one operation lies.
func TestTheSpreadStopsWhereNothingIsKnown(t *testing.T) {
	var h Hist
	for i := range 1000 {
		h.Record(time.Duration(i+1) * time.Millisecond)
	}
	for name, c := range map[string]struct {
		total int64
		last  float64
	}{"all answered": {1000, 99.75}, "a fifth unanswered": {1250, 75}, "most unanswered": {100_000, 0}} {
		got := h.Spread(c.total)
		last := 0.0
		for i, q := range got {
			last = q.Percent
			if i > 0 && q.NS < got[i-1].NS {
				t.Errorf("%s: %+v is not ascending", name, got)
			}
			if want := q.Percent / 100 * float64(c.total) * 1e6; q.NS < want*0.998 || q.NS > want*1.002+1e6 {
				t.Errorf("%s: p%g is %g ns, want about %g", name, q.Percent, q.NS, want)
			}
		}
		if last != c.last {
			t.Errorf("%s: the last is p%g, want p%g", name, last, c.last)
		}
	}
}
