package metric

import "wringer/reports"

// Check is a kind of check with its metrics. It is opened for each stream that one of its metrics can be measured of.
type Check struct {
	Metrics []Metric
	Open    func(reports.CheckConfig) reports.Check
}
