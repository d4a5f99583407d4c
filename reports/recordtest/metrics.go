package recordtest

import (
	"wringer/reports/arrivals"
	"wringer/reports/effects"
	"wringer/reports/groups"
	"wringer/reports/integrity"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/reports/recovery"
	"wringer/reports/replays"
	"wringer/reports/requests"
	"wringer/reports/saga"
	"wringer/reports/series"
)

// Metrics are the tables of every measurement, as the command lists them, for tests that cannot import the command.
func Metrics() [][]metric.Metric {
	return [][]metric.Metric{
		metrics.Metrics, integrity.Metrics, effects.Metrics, integrity.PlaceMetrics, effects.PlaceMetrics, saga.Metrics, arrivals.Metrics, replays.Metrics, groups.Metrics,
		recovery.Metrics, metrics.MessageMetrics, requests.Metrics, series.Metrics,
	}
}

// Catalogue is the catalogue of Metrics, with those of checks.
func Catalogue(checks ...metric.Check) *metric.Catalogue {
	tables := Metrics()
	for _, c := range checks {
		tables = append(tables, c.Metrics)
	}
	c, err := metric.New(tables...)
	if err != nil {
		panic(err)
	}
	return c
}
