package effects

import (
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
)

// Metrics is the table of how long effects take. Each is read from a *Cell.
var Metrics = metric.Times(metric.Metric{
	Of: "effect", About: "of the time from the planned start to the first sighting of the effect",
	Needs:  metric.Needs{Sending: metric.Effects, Consuming: metric.Operations, Place: metric.Dated},
	Beyond: "effects of acked operations were never seen", Never: reports.NotSeen,
}, read)

// PlaceMetrics are the times to the effect in one place.
var PlaceMetrics = metric.Narrow("effect", Metrics, map[string]string{
	"effect.p50": "p50", "effect.p90": "p90", "effect.p95": "p95", "effect.p99": "p99", "effect.p999": "p999", "effect.max": "max",
	"effect.mean": "mean",
})

// read reads a time. It is a lower bound if some time is unknown, and infinite if it falls among effects that were never seen.
func read(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, ok := metric.Kept[*Cell](f)
	switch {
	case f.Measures == nil:
		return metric.Missing(metric.NotReached)
	case !ok:
		return metric.Missing("no effects are observed")
	case c.Count() == 0:
		return metric.Missing("no operation was acked, and no effect was seen")
	}
	r := metric.Found(c.AtLeast().Statistic(s, c.Count()))
	if sent, ok := metric.Kept[*metrics.Cell](f); ok {
		r.Targets = c.AtLeast().AtBest(&sent.Lag, s, c.Count()+sent.DroppedByUs, sent.DroppedByUs)
	}
	r.Awaited = c.Latest
	if c.Unknown > 0 {
		r.AtLeast = f.Unknown
	}
	return r
}
