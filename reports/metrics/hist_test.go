package metrics

import (
	"math"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

// A Hist says exactly what a histogram with all buckets says, also after merges.
func TestHistAgainstAllBuckets(t *testing.T) {
	durations := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, int64(2*time.Millisecond)), rapid.Int64Range(0, int64(time.Hour))), 0, 300)
	rapid.Check(t, func(t *rapid.T) {
		var a, b Hist
		all := hdrhistogram.New(lowest, highest, digits)
		for i, h := range []*Hist{&a, &b} {
			for _, v := range durations.Draw(t, []string{"a", "b"}[i]) {
				h.Record(time.Duration(v))
				if err := all.RecordValue(v); err != nil {
					t.Fatal(err)
				}
			}
		}
		if rapid.Bool().Draw(t, "many") { // the histogram becomes hot
			for i := range int64(2 * hotAfter) {
				a.Record(time.Duration(i * i))
				if err := all.RecordValue(i * i); err != nil {
					t.Fatal(err)
				}
			}
		}
		a.Merge(&b)
		if a.Count() != all.TotalCount() {
			t.Fatalf("%d values, want %d", a.Count(), all.TotalCount())
		}
		if a.Count() == 0 {
			return
		}
		if got, want := a.Export().Min(), all.Min(); got != want {
			t.Errorf("least %d, want %d", got, want)
		}
		if got, want := int64(a.Max()), all.Max(); got != want {
			t.Errorf("greatest %d, want %d", got, want)
		}
		if got, want := a.Export().Mean(), all.Mean(); math.Abs(got-want) > 1e-9*want {
			t.Errorf("mean %v, want %v", got, want)
		}
		for _, q := range []float64{0.001, 0.5, 0.9, 0.99, 0.999, 1} {
			got, _ := a.Rank(q, a.Count())
			want := all.ValueAtPercentile(100 * float64(rankOf(q, a.Count())) / float64(a.Count()))
			if int64(got) != want {
				t.Errorf("quantile %v is %d, want %d", q, got, want)
			}
		}
		limit := rapid.Int64Range(0, int64(time.Hour)).Draw(t, "limit")
		var within, beyond int64
		for _, bar := range all.Distribution() {
			if bar.To <= limit {
				within += bar.Count
			}
			if bar.From > limit {
				beyond += bar.Count
			}
			if bar.Count > 0 && lastOf(bar.From) != bar.To {
				t.Errorf("the bucket from %d ends at %d, want %d", bar.From, lastOf(bar.From), bar.To)
			}
		}
		if got := a.AtMost(time.Duration(limit)); got != within {
			t.Errorf("%d at most %d, want %d", got, limit, within)
		}
		if got := a.Beyond(time.Duration(limit)); got != beyond {
			t.Errorf("%d beyond %d, want %d", got, limit, beyond)
		}
		a.subtract(&b)
		if want := all.TotalCount() - b.Count(); a.Count() != want {
			t.Errorf("%d values after the subtraction, want %d", a.Count(), want)
		}
	})
}

// Each value stands in the bucket whose bounds hold it.
func TestExponentialBuckets(t *testing.T) {
	var h Hist
	if got := h.Exponential(8); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
	for _, d := range []time.Duration{0, time.Millisecond, time.Second, 1100 * time.Millisecond, 3 * time.Second} {
		h.RecordMany(d, 2)
	}
	var n int64
	got := h.Exponential(8)
	for i, count := range got {
		n += count
		if bound := math.Pow(2, float64(i)/8); bound < 1e-6 && count != 2 {
			t.Errorf("%d values up to %g s", count, bound)
		}
	}
	// 2^(-79.7/8) s is a millisecond, 2^(1.1/8) s are 1.1 s, and 2^(12.7/8) s are 3 s.
	if n != 10 || got[-79] != 2 || got[0] != 2 || got[2] != 2 || got[13] != 2 {
		t.Errorf("%v", got)
	}
}
