package saga

import (
	"wringer/reports"
	"wringer/reports/metric"
)

var needs = metric.Needs{Sending: metric.Saga, Consuming: metric.Operations}

// Metrics is the table of what the check counts and times.
var Metrics = append(metric.Counts([]metric.Metric{
	{Name: "saga_violations", Needs: needs, Better: metric.Lower,
		About: "Operations that, when the drain ended, had neither every effect and no compensation, nor exactly one compensation for each effect; and acked ones with none of either."},
	{Name: "saga_compensated", Needs: needs, Better: metric.Neither, About: "Operations of which each effect was compensated exactly once."},
}, untested), times...)

// untested: without an operation that was sent, the saga was not tried.
func untested(f *metric.Facts, _ int64) string {
	if f.Measures.Sent == 0 {
		return "no operation was sent"
	}
	return ""
}

var times = metric.Times(metric.Metric{
	Of: "saga", About: "of the time for which an operation was mixed: from its first sighting until it was whole or compensated",
	Needs:  metric.Needs{Sending: metric.SagaTimes, Consuming: metric.Operations},
	Beyond: "operations were mixed to the end", Never: "mixed to the end",
}, read)

// read reads a time from a *Cell. An unknown time counts as 0, which makes a lower bound.
func read(f *metric.Facts, s metric.Statistic) metric.Reading {
	c, ok := metric.Kept[*Cell](f)
	switch {
	case f.Measures == nil:
		return metric.Missing(metric.NotReached)
	case !ok || c.Count() == 0:
		return metric.Missing("no effect was seen")
	}
	sum := Cell{}
	sum.merge(c)
	sum.Times.RecordMany(0, c.Unknown)
	r := metric.Found(sum.Times.Statistic(s, c.Count()))
	r.AtLeast = f.Unknown
	return r
}

var _ reports.Check = (*Check)(nil)
