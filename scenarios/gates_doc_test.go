package scenarios

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"wringer/reports/metric"
)

var unitWords = map[string]string{metric.NS: "time", metric.Ratio: "share", metric.Count: "count", metric.PerSecond: "rate", "": "number"}

var classWords = map[metric.Class]string{
	metric.TimeOrRate: "time or rate", metric.Outcome: "outcome", metric.Integrity: "integrity", metric.Recovery: "recovery", metric.Gauge: "gauge",
}

var betterWords = map[metric.Direction]string{metric.Lower: "lower", metric.Higher: "higher", metric.Neither: ""}

// metricsTable is the table of every metric that a gate may name, in the order of the catalogue. The statistics of a time
// with a prefix share a row.
func metricsTable() string {
	var table strings.Builder
	table.WriteString("| metric | class | value | better | each second | meaning |\n|---|---|---|---|---|---|\n")
	shared := make(map[string]bool)
	for _, m := range catalogue.List() {
		name, about := "`"+m.Full()+"`", m.About
		switch {
		case m.Argument:
			name = "`" + m.Name + "(TIME)`"
		case m.Of != "" && shared[m.Of]:
			continue
		case m.Of != "":
			shared[m.Of] = true
			names := catalogue.Names(m.Of)
			name = fmt.Sprintf("`%s.%s` to `%s.%s`", m.Of, names[0], m.Of, names[len(names)-1])
			about = "The same statistics" + about[strings.Index(about, " of "):]
		}
		bySecond := ""
		if m.BySecond {
			bySecond = "yes"
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %s | %s | %s |\n", name, classWords[m.Class], unitWords[m.Unit], betterWords[m.Better], bySecond, strings.TrimSuffix(about, "."))
	}
	return table.String()
}

const (
	metricsBegin = "<!-- metrics: written by go test ./scenarios -run MetricsOfTheDocs -update -->\n"
	metricsEnd   = "<!-- end of metrics -->\n"
)

// TestMetricsOfTheDocs keeps the table of metrics in docs/gates.md true to the catalogue. -update writes it.
func TestMetricsOfTheDocs(t *testing.T) {
	const path = "../docs/gates.md"
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(raw), metricsBegin)
	shown, after, ended := strings.Cut(rest, metricsEnd)
	if !found || !ended {
		t.Fatalf("%s has no place for the table of metrics", path)
	}
	table := metricsTable()
	if *update {
		if err := os.WriteFile(path, []byte(before+metricsBegin+table+metricsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != table {
		t.Errorf("the table of metrics in %s is not what the catalogue says; write it with: go test ./scenarios -run MetricsOfTheDocs -update", path)
	}
}
