package groups

import (
	"fmt"

	"wringer/reports"
	"wringer/reports/metric"
)

// Metrics is the table of the counts of records in a group of consumers. The documentation of Account defines each. redelivered
// stands in the table of package integrity, because effects are redelivered too.
var Metrics = append(metric.Counts([]metric.Metric{
	{Name: "records", Needs: grouped, Better: metric.Neither, About: "Records in the topic."},
	{Name: "processed", Needs: grouped, Better: metric.Neither, About: "Records that some member processed."},
	{Name: "group_lost", Needs: grouped, Better: metric.Lower, About: "Records that no member processed, and that the group has committed beyond."},
	{Name: "unprocessed", Needs: grouped, Better: metric.Lower, About: "Records that the group had not reached when observation ended.", Remark: behind},
	{Name: "redelivered_records", Needs: grouped, Better: metric.Lower, About: "Records that were processed more than once."},
	{Name: "rebalances", Needs: grouped, Better: metric.Neither, About: "Rebalances, counted by the rise of the generation."},
	{Name: "joins", Needs: grouped, Better: metric.Neither, About: "Members that joined, the first ones included."},
	{Name: "leaves", Needs: grouped, Better: metric.Neither, About: "Members that left in good order."},
	{Name: "freezes", Needs: grouped, Better: metric.Neither, About: "Members that were frozen."},
	{Name: "deaths", Needs: grouped, Better: metric.Neither, About: "Members that died."},
}, untested), metric.Times(metric.Metric{
	Of: "rebalance", Needs: grouped, Beyond: "no record followed a rebalance",
	About: "of the wait from a rebalance to the first record processed after it",
}, firstMessage)...)

var grouped = metric.Needs{Sending: metric.Group, Consuming: metric.Group}

// untested gives the reason why a count shows nothing: an untested group has shown nothing.
func untested(f *metric.Facts, n int64) string {
	if f.Measures.Group.Records == 0 && n == 0 {
		return "no record stood in the topic"
	}
	return ""
}

func behind(stream string, n int64) string {
	return fmt.Sprintf("stream %s: its group had not processed %s records when the drain ended; a longer run.drain gives the group time", stream, reports.Count(n))
}

// firstMessage reads the wait for the first record after a rebalance from the record.
func firstMessage(f *metric.Facts, s metric.Statistic) metric.Reading {
	if f.Measures == nil {
		return metric.Missing(metric.NotReached)
	}
	if f.Measures.Group == nil || f.Measures.Group.FirstMessage == nil {
		return metric.Missing("no rebalance")
	}
	l := f.Measures.Group.FirstMessage
	times := map[string]*float64{"p50": l.P50, "p90": l.P90, "p95": l.P95, "p99": l.P99, "p999": l.P999, "max": l.Max, "mean": l.Mean}
	overall := s.Name == "max" || s.Name == "mean" // both numbers in the record are over the rebalances that a record followed
	if t := times[s.Name]; t != nil && (*l.Unanswered == 0 || !overall) {
		return metric.Found(*t)
	}
	return metric.Found(metric.Infinite)
}
