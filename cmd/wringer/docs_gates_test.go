package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wringer/reports/metric"
)

// metricRow is one line of the table of metrics in docs/gates.md.
type metricRow struct{ name, class, value, better, meaning string }

// metricRows lists every metric that a gate may name, in the order of the tables. The statistics of one time (p50 to mean)
// share a row.
func metricRows(t *testing.T) (rows []metricRow) {
	all, err := language.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range append([]string{""}, all.Prefixes()...) {
		var times []string
		for _, name := range all.Names(prefix) {
			m := all.Lookup(strings.TrimPrefix(prefix+"."+name, "."))
			if prefix != "" || m.Unit == metric.NS && m.Class == metric.TimeOrRate && !m.Argument {
				times = append(times, m.Full())
				continue
			}
			shown := m.Full()
			if m.Argument {
				shown += "(TIME)"
			}
			rows = append(rows, metricRow{"`" + shown + "`", classWords[m.Class], unitWords[m.Unit], cmp.Or(m.Better, "-"), m.About})
		}
		if len(times) > 0 {
			first := all.Lookup(times[0])
			rows = append(rows, metricRow{"`" + strings.Join(times, "` `") + "`", classWords[first.Class], unitWords[first.Unit], first.Better, strings.Replace(first.About, "The median of", "Of", 1) + "."})
		}
	}
	for _, subject := range all.Subjects() {
		for _, m := range all.Of(subject) {
			if m.Base == "" { // that of a whole stream has a row of its own
				rows = append(rows, metricRow{"`" + m.Full() + "`", classWords[m.Class], unitWords[m.Unit], cmp.Or(m.Better, "-"), m.About})
			}
		}
	}
	return rows
}

var unitWords = map[string]string{metric.NS: "time", metric.Ratio: "share", metric.Count: "count", metric.PerSecond: "rate", "": "number"}

var classWords = map[metric.Class]string{metric.TimeOrRate: "time or rate", metric.Outcome: "outcome", metric.Integrity: "integrity",
	metric.Recovery: "recovery", metric.Gauge: "gauge"}

const (
	metricsBegin = "<!-- metrics: written by go test ./cmd/wringer -run MetricsOfTheDocs -update -->\n"
	metricsEnd   = "<!-- end of metrics -->\n"
)

// TestMetricsOfTheDocs keeps the table of metrics in docs/gates.md equal to the catalogue. -update writes it.
func TestMetricsOfTheDocs(t *testing.T) {
	text := readDocument(t, "docs/gates.md").text
	before, rest, found := strings.Cut(text, metricsBegin)
	shown, after, ended := strings.Cut(rest, metricsEnd)
	if !found || !ended {
		t.Fatal("docs/gates.md has no place for the table of metrics")
	}
	var table strings.Builder
	table.WriteString("| metric | class | value | better | meaning |\n|---|---|---|---|---|\n")
	rows := metricRows(t)
	slices.SortStableFunc(rows, func(a, b metricRow) int { return strings.Compare(a.class, b.class) })
	for _, r := range rows {
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s |\n", r.name, r.class, r.value, r.better, cell(r.meaning))
	}
	if *update {
		if err := os.WriteFile(filepath.Join(root, "docs/gates.md"), []byte(before+metricsBegin+table.String()+metricsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != table.String() {
		t.Error("the table of metrics in docs/gates.md is not what the catalogue says; write it with: go test ./cmd/wringer -run MetricsOfTheDocs -update")
	}
}
