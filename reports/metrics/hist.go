package metrics

import (
	"math"
	"math/bits"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/reports"
)

// Histograms keep three significant digits from a microsecond to an hour, in nanoseconds. Longer times are clamped.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

// Hist is a histogram of durations that takes memory for the buckets which are used. A run has several of them for each stream in each
// window and second. The zero value is ready. It is not safe for concurrent use, reading included.
type Hist struct {
	h   *hdrhistogram.PackedHistogram
	hot *hdrhistogram.Histogram // what came after the first hotAfter values, until the next reading: recording here is quicker
}

// hotAfter is how many values a histogram takes before it counts as hot. A histogram of all buckets takes 200 KB.
const hotAfter = 4096

// ready returns the packed histogram, which holds all values but the hot ones.
func (h *Hist) ready() *hdrhistogram.PackedHistogram {
	if h.h == nil {
		h.h = hdrhistogram.NewPacked(lowest, highest, digits)
	}
	return h.h
}

// fold moves the hot values to the others.
func (h *Hist) fold() {
	if h.hot != nil {
		h.h.MergeFrom(h.hot)
		h.hot = nil
	}
}

// unit is the width of the narrowest bucket, and linear the range that buckets of this width cover: with three digits, 2,048 of them.
const (
	unit   = int64(512)
	linear = 2048 * unit
)

// lastOf is the largest value of the bucket that begins at from. From linear on, each doubling of the value doubles the width. Source:
// the geometry of HdrHistogram, see its Distribution.
func lastOf(from int64) int64 {
	width := unit
	if from >= linear {
		width <<= bits.Len64(uint64(from)) - bits.Len64(uint64(linear-1))
	}
	return from + width - 1
}

// Record adds one duration; below 0 counts as 0.
func (h *Hist) Record(d time.Duration) { h.RecordMany(d, 1) }

// RecordMany adds one duration n times; below 0 counts as 0.
func (h *Hist) RecordMany(d time.Duration, n int64) {
	v := min(max(int64(d), 0), highest)
	// RecordValues fails only out of range, and the clamp excludes that.
	switch p := h.ready(); {
	case h.hot != nil:
		_ = h.hot.RecordValues(v, n)
	case p.TotalCount() < hotAfter:
		_ = p.RecordValues(v, n)
	default:
		h.hot = hdrhistogram.New(lowest, highest, digits)
		_ = h.hot.RecordValues(v, n)
	}
}

// Merge adds all of o.
func (h *Hist) Merge(o *Hist) {
	if o.h == nil {
		return
	}
	h.ready().Merge(o.h)
	if o.hot != nil {
		h.h.MergeFrom(o.hot)
	}
}

// Count is the number of durations.
func (h *Hist) Count() int64 {
	if h.h == nil {
		return 0
	}
	n := h.h.TotalCount()
	if h.hot != nil {
		n += h.hot.TotalCount()
	}
	return n
}

// Export returns the underlying histogram, nil when empty.
func (h *Hist) Export() *hdrhistogram.PackedHistogram {
	h.fold()
	return h.h
}

// Rank returns the value at quantile q (0 to 1) of total values. The values beyond Count are slower than every recorded one. ok
// is false if the quantile falls among these, or if there is none. The rank is ceil(q*total), the nearest-rank definition.
func (h *Hist) Rank(q float64, total int64) (d time.Duration, ok bool) {
	rank := rankOf(q, total)
	if total == 0 || rank > h.Count() {
		return 0, false
	}
	return h.at(rank), true
}

// rankOf is the nearest rank of quantile q, from 1.
func rankOf(q float64, total int64) int64 { return max(int64(math.Ceil(q*float64(total)-1e-9)), 1) }

// at returns the value of a rank from 1 to Count.
func (h *Hist) at(rank int64) time.Duration {
	return time.Duration(h.Export().ValueAtPercentile(100 * float64(rank) / float64(h.Count())))
}

// Max is the largest recorded value; 0 when empty.
func (h *Hist) Max() time.Duration {
	if h.Export() == nil {
		return 0
	}
	return time.Duration(h.Export().Max())
}

// AtMost counts the values that are surely at most d. It leaves out a bucket that d cuts in two, so that a share within a limit
// is never overstated.
func (h *Hist) AtMost(d time.Duration) int64 {
	if h.Export() == nil {
		return 0
	}
	var n int64
	for from, count := range h.Export().ForEachBucket {
		if lastOf(from) > int64(d) {
			break
		}
		n += count
	}
	return n
}

// Buckets counts the values by bounds of 1, 2 and 5 in each decade, from the bucket of the least to that of the greatest. A
// value within a thousandth of a bound may stand on its other side.
func (h *Hist) Buckets() []reports.Bucket {
	if h.Count() == 0 {
		return nil
	}
	bound := boundAbove(h.Export().Min())
	out := []reports.Bucket{{UpToNS: bound}}
	for from, count := range h.Export().ForEachBucket {
		for from > bound {
			bound = boundAbove(bound + 1)
			out = append(out, reports.Bucket{UpToNS: bound})
		}
		out[len(out)-1].Count += count
	}
	return out
}

// Exponential counts the values by buckets of which each doubling has so many, as native histograms of Prometheus do: bucket i holds the
// values up to 2^(i/perDoubling) seconds. A value within a thousandth of a bound may stand on its other side.
func (h *Hist) Exponential(perDoubling int) map[int]int64 {
	out := make(map[int]int64)
	if h.Count() == 0 {
		return out
	}
	for from, count := range h.Export().ForEachBucket {
		seconds := time.Duration(max(from, 1)).Seconds()
		out[int(math.Ceil(math.Log2(seconds)*float64(perDoubling)))] += count
	}
	return out
}

// boundAbove is the least of 1, 2 and 5 times a power of ten that is not below v.
func boundAbove(v int64) int64 {
	for decade := int64(1); ; decade *= 10 {
		for _, factor := range []int64{1, 2, 5} {
			if bound := factor * decade; bound >= v {
				return bound
			}
		}
	}
}

// Summary describes the histogram within total values; those beyond Count are slower than every recorded one. It is nil if
// there is none.
func (h *Hist) Summary(total int64) *reports.Latency {
	if total == 0 {
		return nil
	}
	at := func(q float64) *float64 {
		if d, ok := h.Rank(q, total); ok {
			return number(float64(d))
		}
		return nil
	}
	l := &reports.Latency{
		P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999),
		Unanswered: number(float64(total - h.Count())),
	}
	if h.Count() > 0 {
		l.Min, l.Mean, l.Max = number(float64(h.Export().Min())), number(h.Export().Mean()), number(float64(h.Export().Max()))
	}
	return l
}
