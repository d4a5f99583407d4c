package integrity

import (
	"wringer/reports/metric"
)

// Metrics is the table of the counts of a Ledger and a Topic. The package's documentation defines each.
var Metrics = metric.Counts([]metric.Metric{
	{Name: "seen", Needs: recorded(metric.Nothing), Better: metric.Neither, About: "Operations that were seen where their effect must show up."},
	{Name: "lost", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Operations that were acked, and not seen when observation ended."},
	{Name: "unseen", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Operations that were acked and not seen yet: 0 once it is known which are lost."},
	{Name: "recovered", Needs: recorded(metric.Origin), Better: metric.Neither, About: "Indeterminate operations that were seen, which does no harm."},
	{Name: "phantom", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Rejected operations that were seen nevertheless."},
	{Name: "unexpected", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Operations that were seen and never sent."},
	{Name: "foreign", Needs: recorded(metric.Nothing), Better: metric.Neither, About: "Deliveries that are not of this stream."},
	{Name: "log_duplicates", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "Operations at more than one place of the log."},
	// In a stream with a group of consumers, redelivered is counted by the group.
	{Name: "redelivered", Needs: recorded(metric.Group), Better: metric.Lower, About: "Repeated deliveries; with a consumer group, records processed again."},
	{Name: "effect_duplicates", Needs: sent, Better: metric.Lower, About: "Operations whose effect was applied more than once."},
	{Name: "extra_copies", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "Copies beyond the first of each operation."},
	{Name: "max_copies", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "The most copies of one operation."},
	{Name: "order_violations", Needs: recorded(metric.Order), Better: metric.Lower, About: "Operations first seen after a later one of their key or partition."},
	{Name: "regressions", Needs: recorded(metric.Sequence), Better: metric.Lower, About: "Decreases of the number within a key, copies included."},
	{Name: "gaps", Needs: metric.Needs{Sending: metric.Sequence, Consuming: metric.Sequence}, Better: metric.Lower, About: "Numbers missing within a key."},
	{Name: "ack_collisions", Needs: sent, Better: metric.Lower, About: "Operations acked at a place that another operation's ack had named."},
}, untested)

// sent counts are of a stream that sends operations.
var sent = metric.Needs{Sending: metric.Observed, Consuming: metric.Operations}

// recorded counts belong to consuming streams as well, if the stream has the parts that they need.
func recorded(consuming metric.Need) metric.Needs {
	return metric.Needs{Sending: metric.Observed, Consuming: consuming}
}

// untested gives the reason why a count shows nothing: nothing was acked or seen that could have been lost or repeated.
func untested(f *metric.Facts, n int64) string {
	if g := f.Measures.Group; g != nil && f.Metric.Name == "redelivered" && g.Redelivered != nil {
		if g.Records == 0 && n == 0 {
			return "no record stood in the topic"
		}
		return ""
	}
	i := f.Measures.Integrity
	switch {
	case metric.Zero(i.Acked) && metric.Zero(i.Seen):
		return "no operation was acked or seen"
	case f.Stream.Consumes() && metric.Zero(i.Seen) && n == 0 && !missable(f.Metric.Name):
		return "no record was seen"
	}
	return ""
}

// missable counts are about acked operations: they show something even without records.
func missable(name string) bool { return name == "lost" || name == "unseen" }
