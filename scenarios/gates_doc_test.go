package scenarios

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// metricRow is one line of the table of metrics in docs/gates.md.
type metricRow struct {
	name, unit, class, meaning string
}

// metricRows lists every metric that a gate may name. It reads the vocabulary of the language.
func metricRows(t *testing.T) (rows []metricRow) {
	for name, m := range metrics {
		meaning, ok := meanings[name]
		if !ok {
			t.Errorf("the metric %s has no meaning for docs/gates.md", name)
		}
		shown := name
		if name == "within" {
			shown = "within(TIME)"
		}
		rows = append(rows, metricRow{shown, unitWords[m.Unit], classWords[m.Class], meaning})
	}
	for name := range meanings {
		if _, ok := metrics[name]; !ok {
			t.Errorf("docs/gates.md explains %s, which is no metric", name)
		}
	}
	slices.SortFunc(rows, func(a, b metricRow) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.name, b.name)) })
	return rows
}

var unitWords = map[string]string{UnitNS: "time", UnitRatio: "share", UnitCount: "count", UnitPerSecond: "rate", "": "number"}

var classWords = map[Class]string{TimeOrRate: "time or rate", Outcome: "outcome", Integrity: "integrity", Recovery: "recovery", Gauge: "gauge"}

// meanings says what each metric is of.
var meanings = map[string]string{
	"p50": "half of the operations were quicker", "p90": "90 % were", "p95": "95 % were", "p99": "99 % were", "p999": "99.9 % were",
	"max": "the slowest operation; infinite when one got no answer", "mean": "the mean; infinite when one got no answer",
	"within":  "the share of offered operations that were acked within the time",
	"rate":    "acked operations a second",
	"offered": "operations that the plan called for", "sent": "operations of which an attempt was made", "acked": "acked operations",
	"attempts": "attempts, retries included", "retries": "attempts beyond the first of an operation",
	"amplification": "attempts divided by operations",
	"errors":        "the share of offered operations that were not acked", "rejected": "the share that was rejected",
	"indeterminate": "the share that was indeterminate", "dropped": "the share that could not be sent",
	"detection": "from the fault's start to the first bad second", "recovery": "from the fault's end to the first of 3 good seconds in a row",
	"messages_sent": "messages sent in streaming calls", "messages_received": "messages received in streaming calls",
	"messages_lost": "messages missing in calls that ended well", "messages_undecided": "messages missing in other calls",
	"messages_unexpected": "messages of another call, or beyond the number expected", "messages_duplicated": "copies of messages",
	"messages_reordered": "messages out of order",
	"seen":               "operations that were seen", "lost": "acked operations that were not seen after the drain",
	"unseen": "acked operations that were not seen yet", "recovered": "indeterminate operations that were seen",
	"phantom": "rejected operations that were seen", "unexpected": "operations that were seen and never sent",
	"foreign":        "records without an identity of this run and stream",
	"log_duplicates": "operations at more than one place in a log", "redelivered": "records that were delivered, or processed, again",
	"effect_duplicates": "operations whose effect was applied more than once", "extra_copies": "copies beyond the first",
	"max_copies": "the most copies of one operation", "order_violations": "first occurrences below an earlier one of their key",
	"regressions": "decreases of a key's sequence, replays included", "gaps": "numbers missing within a key",
	"ack_collisions": "operations acked with a place in the log that another was acked with",
	"arrivals":       "requests that arrived at the target", "not_arrived": "attempts beyond the arrivals of their operation",
	"arrived_cut": "arrivals whose body was not whole", "answered": "arrivals whose whole answer left the target while it was awaited",
	"arrived_operations": "operations that arrived", "arrived_twice": "operations that arrived more than once",
	"max_arrivals": "the most arrivals of one operation", "hidden_arrivals": "arrivals beyond the attempts that were sent",
	"records": "records in the topic of a group", "processed": "records that a member processed",
	"unprocessed": "records that the group had not processed when the drain was over", "group_lost": "records that the group skipped",
	"redelivered_records": "records that were processed more than once", "rebalances": "by how much the brokers' count of generations rose",
	"joins": "joins of members", "leaves": "members that left", "freezes": "members that froze", "deaths": "members that died",
	"replays": "operations that were replayed", "replay_violations": "replays whose answer breaks the key's promise",
	"replay_deviations": "replays that were refused by another status than 422", "replays_undecided": "replays whose answer decides nothing",
	"replays_skipped": "operations that were chosen and not replayed",
}

const (
	metricsBegin = "<!-- metrics: written by go test ./scenarios -run MetricsOfTheDocs -update -->\n"
	metricsEnd   = "<!-- end of metrics -->\n"
)

// TestMetricsOfTheDocs keeps the table of metrics in docs/gates.md true to the language. -update writes it.
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
	var table strings.Builder
	table.WriteString("| metric | class | value | meaning |\n|---|---|---|---|\n")
	for _, r := range metricRows(t) {
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", r.name, r.class, r.unit, r.meaning)
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+metricsBegin+table.String()+metricsEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != table.String() {
		t.Errorf("the table of metrics in %s is not what the language says; write it with: go test ./scenarios -run MetricsOfTheDocs -update", path)
	}
}
