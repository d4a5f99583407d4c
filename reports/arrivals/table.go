package arrivals

import "wringer/reports/metric"

// Metrics is the table of a witness's counts. reports.Witness defines each.
var Metrics = metric.Counts([]metric.Metric{
	{Name: "arrivals", Adds: true, Needs: seen, Better: metric.Lower, About: "Requests whose head came to the target."},
	{Name: "not_arrived", Needs: seen, Better: metric.Lower, About: "Attempts sent beyond the arrivals of their operation."},
	{Name: "arrived_cut", Needs: seen, Better: metric.Lower, About: "Requests whose body did not come whole."},
	{Name: "answered", Adds: true, Needs: seen, Better: metric.Neither, About: "Requests whose answer left the target whole while it was awaited."},
	{Name: "arrived_operations", Adds: true, Needs: seen, Better: metric.Neither, About: "Operations that arrived."},
	{Name: "arrived_twice", Needs: seen, Better: metric.Lower, About: "Operations that arrived at least twice."},
	{Name: "max_arrivals", Needs: seen, Better: metric.Lower, About: "The most arrivals of one operation."},
	{Name: "hidden_arrivals", Needs: seen, Better: metric.Lower, About: "Arrivals beyond the attempts sent."},
}, untested)

var seen = metric.Needs{Sending: metric.Witness, Consuming: metric.Operations}

func untested(f *metric.Facts, _ int64) string {
	if w := f.Measures.Witness; metric.Zero(w.AttemptsSent) && metric.Zero(w.Arrivals) {
		return "no attempt was sent"
	}
	return ""
}
