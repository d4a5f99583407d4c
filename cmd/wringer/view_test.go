package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

func integer(n int64) *int64 { return &n }

// shown is a moment of a run of two streams, one of which sends nothing.
func shown(at time.Duration, state string, last reports.Second) (*reports.Run, runner.Progress) {
	run := &reports.Run{Name: "demo", PlannedNS: int64(10 * time.Second), Streams: map[string]*reports.Stream{
		"orders": {Model: "open"}, "shipments": {Model: reports.ModelConsume},
	}}
	return run, runner.Progress{
		At: at, Window: "cut", Faults: []runner.FaultProgress{{Name: "cut", Start: 4 * time.Second, End: 6 * time.Second, State: state}},
		Streams: []runner.StreamProgress{{Name: "orders", Last: last, InFlight: 7, Observed: true, Unseen: 3}, {Name: "shipments", Observed: true, Seen: 42}},
	}
}

func TestLinesOfProgress(t *testing.T) {
	var b bytes.Buffer
	v := &lines{w: &b}
	v.start(&scenarios.Scenario{Name: "demo"}, "runs/demo")
	well := reports.Second{Counts: reports.Counts{Offered: 100, Acked: 100}, P99NS: integer(2e6)}
	v.show(shown(1*time.Second, "waiting", well))
	v.show(shown(2*time.Second, "waiting", well)) // too soon for another line
	v.show(shown(4*time.Second, "in force", well))
	v.show(shown(6*time.Second, "healed", reports.Second{Counts: reports.Counts{Offered: 100, Acked: 25}}))
	v.show(shown(10*time.Second, "healed", reports.Second{}))
	want := []string{
		"run demo: seed 0, 0s warm-up, 0s measured, record in runs/demo",
		"   1.0s cut           orders 100/s p99 2 ms errors 0 % unseen 3  shipments seen 42",
		"   4.0s fault cut: in force",
		"   6.0s fault cut: healed",
		"   6.0s cut           orders 25/s p99 no answer errors 75 % unseen 3  shipments seen 42",
		"  10.0s cut           orders 0/s p99 - errors 0 % unseen 3  shipments seen 42",
	}
	if got := strings.TrimRight(b.String(), "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

func TestScreenShowsThePartialRecord(t *testing.T) {
	run, progress := shown(5*time.Second, "in force", reports.Second{Counts: reports.Counts{Offered: 100, Acked: 75, Retries: 9}, P99NS: integer(2e6)})
	next, _ := model{width: 60, dir: "runs/demo"}.Update(moment{run, progress})
	text := next.View()
	for _, want := range []string{"demo  5.0s of 10s  fault cut", "┃", "orders              75/s       2 ms     25 %        9         7         3", "shipments      42 seen", "record in runs/demo"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
