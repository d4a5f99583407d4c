package metrics

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"wringer/drivers"
	"wringer/reports"
)

func TestSlotsLieInOneSecondAndOneWindow(t *testing.T) {
	s := NewSlots([]Span{{0, 1500 * time.Millisecond, 0}, {1500 * time.Millisecond, 1500 * time.Millisecond, 9}, {1500 * time.Millisecond, 3200 * time.Millisecond, 1}})
	want := []Slot{
		{0, time.Second, 0, 0},
		{time.Second, 1500 * time.Millisecond, 1, 0},
		{1500 * time.Millisecond, 2 * time.Second, 1, 1},
		{2 * time.Second, 3 * time.Second, 2, 1},
		{3 * time.Second, 3200 * time.Millisecond, 3, 1},
	}
	if !slices.Equal(s.slots, want) {
		t.Errorf("slots %v, want %v", s.slots, want)
	}
	for i, slot := range want {
		for _, at := range []time.Duration{slot.Start, slot.End - 1} {
			if got := s.At(at); got != i {
				t.Errorf("%s is in slot %d, want %d", at, got, i)
			}
		}
	}
	if s.At(-1) != Warmup || s.At(time.Hour) != 4 {
		t.Errorf("before the start: %d, beyond the end: %d", s.At(-1), s.At(time.Hour))
	}
	if got := s.Length(1, 3100*time.Millisecond); got != 1600*time.Millisecond {
		t.Errorf("window 1 covers %s, want 1.6s", got)
	}
}

// Percentiles cover unanswered operations: the nearest-rank value over sorted values, with the unanswered as infinite.
func TestRankAgreesWithSortedValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(int64(time.Microsecond), int64(time.Minute)), 0, 300).Draw(t, "answered")
		unanswered := rapid.IntRange(0, 50).Draw(t, "unanswered")
		q := rapid.SampledFrom([]float64{0.5, 0.9, 0.95, 0.99, 0.999, 1}).Draw(t, "q")
		var h Hist
		for _, v := range values {
			h.Record(time.Duration(v))
		}
		total := len(values) + unanswered
		got, ok := h.Rank(q, int64(total))
		if total == 0 {
			if ok {
				t.Fatal("a rank of nothing")
			}
			return
		}
		slices.Sort(values)
		rank := max(int(math.Ceil(q*float64(total)-1e-9)), 1)
		if rank > len(values) {
			if ok {
				t.Fatalf("rank %d of %d answered is %s, want none", rank, len(values), got)
			}
			return
		}
		want := values[rank-1]
		if !ok || math.Abs(float64(int64(got)-want)) > 0.001*float64(want)+1024 {
			t.Fatalf("q %v of %d values and %d unanswered: %s, want %s", q, len(values), unanswered, got, time.Duration(want))
		}
	})
}

func TestAtMostNeverOverstates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 200).Draw(t, "values")
		limit := time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "limit"))
		var h Hist
		var n int64
		for _, v := range values {
			h.Record(time.Duration(v))
			if v <= int64(limit) {
				n++
			}
		}
		if got := h.AtMost(limit); got > n {
			t.Fatalf("%d values at most %s, in truth %d", got, limit, n)
		}
	})
}

func TestBucketsHoldEveryValueOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(int64(time.Microsecond), int64(time.Hour)), 0, 200).Draw(t, "values")
		var h Hist
		for _, v := range values {
			h.Record(time.Duration(v))
		}
		buckets := h.Buckets()
		want := make([]int64, len(buckets))
		for _, v := range values {
			i := slices.IndexFunc(buckets, func(b reports.Bucket) bool { return v <= b.UpToNS })
			if i < 0 { // just above the last bound
				i = len(buckets) - 1
			}
			want[i]++
		}
		for i, b := range buckets {
			// A value just above a bound is recorded just below it.
			if near := 0.002*float64(b.UpToNS) + 1024; b.Count != want[i] && !slices.ContainsFunc(values, func(v int64) bool {
				return math.Abs(float64(v-b.UpToNS)) < near || i > 0 && math.Abs(float64(v-buckets[i-1].UpToNS)) < near
			}) {
				t.Fatalf("bucket %d holds %d, want %d", b.UpToNS, b.Count, want[i])
			}
		}
		if len(buckets) > 0 && (buckets[0].Count == 0 || buckets[len(buckets)-1].Count == 0) {
			t.Fatalf("empty at an end: %v", buckets)
		}
	})
}

func TestTwoPercentOfTimeoutsHaveNoP99(t *testing.T) {
	var c Cell
	for i := range 100 {
		e := reports.Ended{Outcome: drivers.Acked, Done: time.Millisecond, Trail: []drivers.Attempt{{Outcome: drivers.Acked, Answered: true, Wire: true}}}
		if i < 2 {
			e.Outcome = drivers.Indeterminate
			e.Trail = []drivers.Attempt{{Outcome: drivers.Indeterminate, Code: drivers.CodeTimeout, Wire: true}}
		}
		c.End(&e, time.Second)
	}
	m := c.Measures(time.Second)
	if m.Response.P99 != nil || *m.Response.Unanswered != 2 || m.Response.P95 == nil {
		t.Errorf("p99 %v, p95 %v, unanswered %v", m.Response.P99, m.Response.P95, *m.Response.Unanswered)
	}
	if m.AckedResponse.P99 == nil {
		t.Error("acked operations have no p99")
	}
}

func TestTakeWaitsForOpenOperations(t *testing.T) {
	r := NewRecorder(NewSlots([]Span{{0, 3 * time.Second, 0}}), 2)
	r.Begin(0, 0, 0)
	r.Begin(1, 0, 0)
	r.Begin(0, 1, 0)
	r.End(0, 1, &reports.Ended{}, time.Second)
	r.End(1, 0, &reports.Ended{}, time.Second)
	taken, until := r.Take(2 * time.Second)
	if len(taken) != 1 || taken[1] == nil || until != 0 {
		t.Errorf("took %v until %s: slot 0 is open in one shard", taken, until)
	}
	r.End(0, 0, &reports.Ended{}, time.Second)
	taken, until = r.Take(2 * time.Second)
	if taken[0] == nil || taken[0].Sent != 2 || until != 2*time.Second {
		t.Errorf("took %v until %s", taken, until)
	}
}

func BenchmarkRecorder(b *testing.B) {
	r := NewRecorder(NewSlots([]Span{{0, time.Hour, 0}}), 2)
	e := &reports.Ended{Outcome: drivers.Acked, Done: time.Millisecond, Trail: []drivers.Attempt{{Outcome: drivers.Acked, Answered: true, Wire: true}}}
	b.ReportAllocs()
	for b.Loop() {
		r.Begin(0, 5, 0)
		r.End(0, 5, e, time.Second)
	}
}
