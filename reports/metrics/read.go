package metrics

import (
	"wringer/reports/metric"
)

// offered returns the cell from which a metric is read. If no operation was due, it returns the reason why nothing can be read.
func offered(f *metric.Facts) (*Cell, *metric.Reading) {
	c, ok := metric.Kept[*Cell](f)
	if !ok || c.Offered == 0 {
		none := metric.Missing("no operations")
		return nil, &none
	}
	return c, nil
}

// What the generator itself did not send has either of two fates: answered at once, or never answered. Value is read with one of
// them and Targets with the other, so that a gate is decided only where both agree.

// response reads the time from the planned start to the answer.
func response(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	return statistic(&c.Response, &c.Lag, s, c.Offered, c.DroppedByUs)
}

// noLag is that of what is timed from its send.
var noLag Hist

func service(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	return statistic(&c.Service, &noLag, s, c.Tries+c.DroppedByUs, c.DroppedByUs)
}

// ackedTime reads the response time of the acked operations, among which one that was never answered is not.
func ackedTime(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	r := statistic(&c.Acked, &c.Lag, s, c.Counts.Acked, 0)
	if r.Missing == "" {
		r.Targets = c.Acked.AtBest(&c.Lag, s, c.Counts.Acked+c.DroppedByUs, c.DroppedByUs)
	}
	return r
}

func firstMessage(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Messages == nil {
		return metric.Missing("no messages")
	}
	return statistic(&c.Messages.First, &noLag, s, c.Messages.Waits+c.DroppedByUs, c.DroppedByUs)
}

func messageGap(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Messages == nil {
		return metric.Missing("no messages")
	}
	return statistic(&c.Messages.Gap, &noLag, s, c.Messages.Gaps, 0)
}

// statistic reads a time over total values, of which the generator itself did not send ours: never answered in Value, answered
// at once in Targets, from which the generator's lag is taken off too.
func statistic(h, lag *Hist, s metric.Statistic, total, ours int64) metric.Reading {
	if total-ours <= 0 && h.Count() == 0 && ours == 0 {
		return metric.Missing("no samples")
	}
	return metric.Reading{Value: h.Statistic(s, total), Targets: h.AtBest(lag, s, total, ours)}
}

// Statistic sums the histogram up within total values, in nanoseconds. The values beyond Count are slower than every recorded
// one: a statistic that falls among these is metric.Infinite. The mean is infinite as soon as there is one.
func (h *Hist) Statistic(s metric.Statistic, total int64) float64 {
	if s.Quantile == 0 {
		if h.Count() < total {
			return metric.Infinite
		}
		return h.Export().Mean()
	}
	d, ok := h.Rank(s.Quantile, total)
	if !ok {
		return metric.Infinite
	}
	return float64(d)
}

func within(f *metric.Facts) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	all := float64(c.Offered)
	best := c.Acked.withinAtBest(&c.Lag, f.Argument) + c.DroppedByUs
	return metric.Reading{Value: float64(c.Acked.AtMost(f.Argument)) / all, Targets: float64(best) / all}
}

// fates counts operations: those of the one fate of what the generator did not send, and those of the other.
type fates func(c *Cell) (value, targets int64)

// shareOf reads a share of the offered operations.
func shareOf(c *Cell, of fates) metric.Reading {
	value, targets := of(c)
	return metric.Reading{Value: float64(value) / float64(c.Offered), Targets: float64(targets) / float64(c.Offered)}
}

func rate(f *metric.Facts) metric.Reading {
	c, ok := metric.Kept[*Cell](f)
	if !ok || f.Length <= 0 {
		return metric.Missing("no time was measured")
	}
	seconds := f.Length.Seconds()
	return metric.Reading{Value: float64(c.Counts.Acked) / seconds, Targets: float64(c.Counts.Acked+c.DroppedByUs) / seconds}
}

// amplification of what was not sent is 1 when it was answered at once, and that of the retry policy when it never was.
func amplification(f *metric.Facts) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Sent == 0 {
		return metric.Missing("no operation was sent")
	}
	r := metric.Found(float64(c.Attempts) / float64(c.Sent))
	if ours := c.DroppedByUs; ours > 0 {
		sent := float64(c.Sent + ours)
		least, most := float64(c.Attempts+ours)/sent, float64(c.Attempts+ours*max(f.Attempts, 1))/sent
		r.Value, r.Targets = max(r.Value, most), min(r.Value, least)
	}
	return r
}
