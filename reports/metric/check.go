package metric

import "wringer/reports"

// Check is a kind of check with its metrics. A Check is opened for each stream that has at least one of them.
type Check struct {
	Metrics []Metric
	Open    func(reports.CheckConfig) reports.Check
}
