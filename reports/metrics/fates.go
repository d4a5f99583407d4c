package metrics

import (
	"time"

	"wringer/reports/metric"
)

// lagQuantiles are those of the lag that a time is bounded by. Any choice gives a bound that holds.
var lagQuantiles = []float64{0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999, 1}

// AtBest is the least that a statistic can have been over total values without the generator's own part: the ours operations
// that it did not send were answered at once, and its lag is taken off the rest. lag holds the delays of the operations whose
// times h holds; it is not known which delay belongs to which time, so this is a lower bound.
//
// For any y: let a be the number of operations whose time is above x + y, and b of those whose delay is above y. Then at least
// a - b operations have a time, less their delay, above x.
func (h *Hist) AtBest(lag *Hist, s metric.Statistic, total, ours int64) float64 {
	if s.Quantile == 0 {
		return h.meanAtBest(lag, total, ours)
	}
	rank := rankOf(s.Quantile, total) - ours
	if rank > h.Count() {
		return metric.Infinite
	}
	var best time.Duration
	for _, shift := range lag.shifts() {
		if r := rank - shift.beyond; r > 0 {
			best = max(best, h.at(r)-shift.by)
		}
	}
	return float64(best)
}

func (h *Hist) meanAtBest(lag *Hist, total, ours int64) float64 {
	if h.Count()+ours < total {
		return metric.Infinite
	}
	sum := h.sum() - lag.sum()
	return max(sum, 0) / float64(total)
}

func (h *Hist) sum() float64 {
	if h.Export() == nil {
		return 0
	}
	return h.Export().Mean() * float64(h.Count())
}

// shift is a delay, and how many delays may lie beyond it.
type shift struct {
	by     time.Duration
	beyond int64
}

// shifts are some delays of a histogram of lags; without any, there is no lag.
func (h *Hist) shifts() []shift {
	n := h.Count()
	if n == 0 || h.Max() < time.Duration(lowest) {
		return []shift{{}}
	}
	all := make([]shift, 0, len(lagQuantiles))
	for _, q := range lagQuantiles {
		rank := rankOf(q, n)
		all = append(all, shift{h.at(rank), n - rank})
	}
	return all
}

// withinAtBest is the most values that can have been at most d without the lag.
func (h *Hist) withinAtBest(lag *Hist, d time.Duration) int64 {
	shifts := lag.shifts()
	if len(shifts) == 1 && shifts[0].by == 0 {
		return h.AtMost(d)
	}
	most := h.Count()
	for _, s := range shifts {
		limit := d + s.by
		most = min(most, h.AtMost(limit+limit/500)+s.beyond) // a bucket is at most a thousandth wide
	}
	return most
}

// Beyond counts the values that are surely above d.
func (h *Hist) Beyond(d time.Duration) int64 {
	if h.Export() == nil || h.Max() <= d {
		return 0
	}
	var n int64
	for from, count := range h.Export().ForEachBucket {
		if from > int64(d) {
			n += count
		}
	}
	return n
}
