package integrity

import (
	"wringer/reports/metric"
)

// Metrics is the table of the counts of a Ledger and a Topic. The package's documentation defines each.
var Metrics = metric.Counts([]metric.Metric{
	{Name: "seen", Adds: true, Needs: recorded(metric.Nothing), Better: metric.Neither, About: "Operations that were seen where their effect must show up."},
	{Name: "lost", Needs: placed(metric.Due, recorded(metric.Origin)), Better: metric.Lower, About: "Operations that were acked, and not seen when observation ended."},
	{Name: "unseen", Needs: placed(metric.Due, recorded(metric.Origin)), Better: metric.Lower, Instead: "lost", About: "Operations that were acked and not seen yet: 0 once it is known which are lost. No gate takes it: write `lost`."},
	{Name: "recovered", Needs: recorded(metric.Origin), Better: metric.Neither, About: "Indeterminate operations that were seen, which does no harm."},
	{Name: "phantom", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Rejected operations that were seen nevertheless."},
	{Name: "unexpected", Needs: recorded(metric.Origin), Better: metric.Lower, About: "Operations that were seen and never sent."},
	{Name: "foreign", Needs: recorded(metric.Nothing), Better: metric.Neither, About: "Deliveries that are not of this stream."},
	{Name: "log_duplicates", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "Operations at more than one place of the log."},
	// In a stream with a group of consumers, redelivered is counted by the group.
	{Name: "redelivered", Needs: placed(metric.Repeating, recorded(metric.Group)), Better: metric.Lower, About: "Repeated deliveries; with a consumer group, records processed again."},
	{Name: "effect_duplicates", Needs: sent, Better: metric.Lower, About: "Operations whose effect was applied more than once."},
	{Name: "extra_copies", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "Copies beyond the first of each operation."},
	{Name: "max_copies", Needs: recorded(metric.Nothing), Better: metric.Lower, About: "The most copies of one operation."},
	{Name: "corrupt", Needs: placed(metric.Matched, sent), Better: metric.Lower, About: "Operations whose effect differs from what was sent, in a field that `match` names."},
	{Name: "order_violations", Needs: placed(metric.Ordered, recorded(metric.Order)), Better: metric.Lower, About: "Operations first seen after a later one of their key or partition."},
	{Name: "regressions", Needs: recorded(metric.Sequence), Better: metric.Lower, About: "Decreases of the number within a key, copies included."},
	{Name: "gaps", Needs: metric.Needs{Sending: metric.Sequence, Consuming: metric.Sequence}, Better: metric.Lower, About: "Numbers missing within a key."},
	{Name: "ack_collisions", Needs: sent, Better: metric.Lower, About: "Operations acked at a place that another operation's ack had named."},
}, untested)

// PlaceMetrics are the counts of one place of a stream's effects.
var PlaceMetrics = metric.Narrow("effect", Metrics, map[string]string{
	"seen": "seen", "lost": "lost", "unseen": "unseen", "recovered": "recovered", "phantom": "phantom", "unexpected": "unexpected",
	"foreign": "foreign", "redelivered": "redelivered", "effect_duplicates": "duplicates", "extra_copies": "extra_copies",
	"max_copies": "max_copies", "corrupt": "corrupt", "order_violations": "order_violations",
})

// sent counts are of a stream that sends operations.
var sent = metric.Needs{Sending: metric.Observed, Consuming: metric.Operations}

// recorded counts belong to consuming streams as well, if the stream has the parts that they need.
func recorded(consuming metric.Need) metric.Needs {
	return metric.Needs{Sending: metric.Observed, Consuming: consuming}
}

// placed adds what a place of effects must offer.
func placed(place metric.PlaceNeed, n metric.Needs) metric.Needs {
	n.Place = place
	return n
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
	case n > 0 || ofAcks(f.Metric.Name):
		return ""
	case metric.Zero(i.Seen) && f.Stream.Consumes():
		return "no record was seen"
	case f.Metric.Name == "seen":
		return ""
	case metric.Zero(i.Seen):
		return nothingSeen
	}
	return unseenIn(f)
}

const nothingSeen = "no operation was seen where its effect must show up"

// unseenIn names the place in which nothing was seen, of a count of all places together: what is not there twice in one place may
// be in the other, which showed nothing.
func unseenIn(f *metric.Facts) string {
	if f.Metric.Subject != "" {
		return ""
	}
	for i := range f.Stream.Places {
		p := &f.Stream.Places[i]
		due := p.Unmeasured["lost"] == ""
		if due && p.Total.Integrity != nil && metric.Zero(p.Total.Integrity.Seen) {
			return nothingSeen + ", in " + p.Name
		}
	}
	return ""
}

// ofAcks says that a count is about acked operations. Such a count shows something even where nothing was seen.
func ofAcks(name string) bool { return name == "lost" || name == "ack_collisions" }
