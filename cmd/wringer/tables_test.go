package main

import (
	"slices"
	"testing"

	"wringer/reports/metric"
	"wringer/reports/recordtest"
)

// Every metric has all fields that the language, the judge and the reports read, and tests elsewhere know the same metrics.
func TestMetrics(t *testing.T) {
	catalogue, err := language.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	var names, known []string
	for _, m := range catalogue.List() {
		names = append(names, m.Full())
		if m.About == "" || m.Read == nil {
			t.Errorf("%s says not what it is, or how it is read: %+v", m.Full(), m)
		}
		if m.Count == nil && m.Subject == "" && (m.Class == metric.Integrity || m.Anomaly || m.Remark != nil) {
			t.Errorf("%s is a count that cannot be read from the record", m.Full())
		}
	}
	for _, m := range recordtest.Catalogue().List() {
		known = append(known, m.Full())
	}
	if !slices.Equal(names, known) {
		t.Errorf("the command's metrics are\n%q, those of recordtest\n%q", names, known)
	}
}

// Two metrics of one name are refused before a scenario is read.
func TestMetricsOfOneName(t *testing.T) {
	twice := language
	twice.Checks = []metric.Check{{Metrics: []metric.Metric{{Name: "lost"}}}}
	if _, err := twice.Catalogue(); err == nil {
		t.Error("two metrics are named lost")
	}
}
