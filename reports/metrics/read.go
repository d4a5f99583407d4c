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

// response reads the time from the planned start to the answer, and once more without the load generator's own drops.
func response(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	return statistic(&c.Response, s, c.Offered, c.DroppedByUs)
}

func service(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	return statistic(&c.Service, s, c.Tries, 0)
}

func ackedTime(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	return statistic(&c.Acked, s, c.Counts.Acked, 0)
}

func firstMessage(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Messages == nil {
		return metric.Missing("no messages")
	}
	return statistic(&c.Messages.First, s, c.Messages.Waits, 0)
}

func messageGap(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Messages == nil {
		return metric.Missing("no messages")
	}
	return statistic(&c.Messages.Gap, s, c.Messages.Gaps, 0)
}

// statistic reads a time over total values. The load generator itself did not send ours of them.
func statistic(h *Hist, s metric.Statistic, total, ours int64) metric.Reading {
	if total == 0 {
		return metric.Missing("no samples")
	}
	r := metric.Reading{Value: h.Statistic(s, total)}
	if total > ours {
		r.Targets = h.Statistic(s, total-ours)
	}
	return r
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
	n := c.Acked.AtMost(f.Argument)
	r := metric.Found(float64(n) / float64(c.Offered))
	if rest := c.Offered - c.DroppedByUs; rest > 0 {
		r.Targets = float64(n) / float64(rest)
	}
	return r
}

// shareOf reads a share of the offered operations, and once more without the operations that the load generator itself did not
// send.
func shareOf(c *Cell, of func(c *Cell) (n, ours int64)) metric.Reading {
	n, ours := of(c)
	r := metric.Found(float64(n) / float64(c.Offered))
	r.Targets = 0
	if rest := c.Offered - ours; rest > 0 {
		r.Targets = float64(n-ours) / float64(rest)
	}
	return r
}

func rate(f *metric.Facts) metric.Reading {
	c, ok := metric.Kept[*Cell](f)
	if !ok || f.Length <= 0 {
		return metric.Missing("no time was measured")
	}
	return metric.Found(float64(c.Counts.Acked) / f.Length.Seconds())
}

func amplification(f *metric.Facts) metric.Reading {
	c, none := offered(f)
	if none != nil {
		return *none
	}
	if c.Sent == 0 {
		return metric.Missing("no operation was sent")
	}
	return metric.Found(float64(c.Attempts) / float64(c.Sent))
}
