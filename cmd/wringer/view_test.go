package main

import (
	"bytes"
	"fmt"
	"path/filepath"
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
		Streams: []runner.StreamProgress{{Name: "orders", Last: last, InFlight: 7, Observed: true, Live: reports.Live{Unseen: 3}}, {Name: "shipments", Observed: true, Live: reports.Live{Seen: 42}}},
	}
}

func TestLinesOfProgress(t *testing.T) {
	var b bytes.Buffer
	v := &lines{w: &b}
	v.start(t.Context(), &scenarios.Scenario{Name: "demo"}, "runs/demo")
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
	text := pictured(sceneOf(run, progress), 80, 24)
	for _, want := range []string{"demo  5.0s of 10s  fault cut", "┃", "cut", "orders              75/s      █       2 ms      █     25 %         3         7", "shipments      42 seen", "record in runs/demo"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// After the steady-state stop the view says so, and faults that were not injected are not drawn as if they were.
func TestViewAfterTheStop(t *testing.T) {
	run, progress := shown(7*time.Second, "waiting", reports.Second{Counts: reports.Counts{Offered: 100}})
	progress.Stopped = "not healthy"
	text := pictured(sceneOf(run, progress), 80, 20)
	if !strings.Contains(text, "stopped: not healthy; draining") || !strings.Contains(text, "╌") || strings.ContainsAny(text, "█▒") {
		t.Errorf("the screen shows\n%s", text)
	}
	var b bytes.Buffer
	v := &lines{w: &b}
	v.start(t.Context(), &scenarios.Scenario{Name: "demo"}, "runs/demo")
	v.show(run, progress)
	v.show(run, progress)
	if got := b.String(); strings.Count(got, "7.0s stopped: not healthy; draining\n") != 1 || strings.Contains(got, "7.0s cut") {
		t.Errorf("the lines are\n%s", got)
	}
}

// No line is wider than the terminal, nor the picture higher: the cursor could not go back.
func TestScreenFitsTheTerminal(t *testing.T) {
	run, progress := shown(7*time.Second, "in force", reports.Second{Counts: reports.Counts{Offered: 100}})
	run.Name = strings.Repeat("long", 50)
	progress.Stopped = strings.Repeat("reason\n", 50)
	for i := range 50 {
		progress.Streams = append(progress.Streams, runner.StreamProgress{Name: fmt.Sprint("s", i)})
		run.Streams[fmt.Sprint("s", i)] = &reports.Stream{Model: "open"}
	}
	s := sceneOf(run, progress)
	s.dir = strings.Repeat("dir/", 50)
	for _, at := range [][2]int{{20, 10}, {40, 5}, {60, 20}, {80, 24}, {200, 60}} {
		for _, help := range []bool{false, true} {
			s.help = help
			lines := s.picture(at[0], at[1], true)
			if len(lines) >= at[1] {
				t.Errorf("%d lines in a terminal of %d", len(lines), at[1])
			}
			for _, line := range lines {
				if n := columnsOf(line); n > at[0] {
					t.Errorf("%d columns in a terminal of %d: %s", n, at[0], line)
				}
			}
		}
	}
}

func TestColour(t *testing.T) {
	for _, test := range []struct {
		force, no, term string
		isTerminal      bool
		want            bool
	}{
		{"", "", "xterm", true, true},
		{"", "", "xterm", false, false},
		{"", "", "dumb", true, false},
		{"", "1", "xterm", true, false},
		{"1", "1", "dumb", false, true},
		{"0", "", "xterm", true, false},
	} {
		t.Setenv("FORCE_COLOR", test.force)
		t.Setenv("NO_COLOR", test.no)
		t.Setenv("TERM", test.term)
		if got := coloured(test.isTerminal); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

// The last lines of a run are its verdict, the reason, and where the report is.
func TestLastLinesOfARun(t *testing.T) {
	record := filepath.Join(t.TempDir(), "record")
	_, stdout, _ := wringer(t, "load", "-q", "--for", "300ms", "--out", record, "http://127.0.0.1:1/")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	end := strings.Join(lines[max(len(lines)-6, 0):], "\n") // the reason takes three lines
	if !strings.Contains(end, "INCONCLUSIVE  load") || !strings.Contains(end, "never healthy") || !strings.HasPrefix(lines[len(lines)-1], "report: ") {
		t.Errorf("it ends with\n%s", end)
	}
}

// The ruler marks the beginning of each named step, gone by and to come. A fault takes time from a step.
func TestRulerMarksSteps(t *testing.T) {
	p := runner.Progress{
		At: 5 * time.Second,
		Steps: []runner.StepProgress{
			{Stream: "orders", Name: "low", Start: 0, End: 3 * time.Second}, {Stream: "orders", Name: "high", Start: 3 * time.Second, End: 7 * time.Second},
			{Stream: "orders", Name: "peak", Start: 7 * time.Second, End: 8 * time.Second}, {Stream: "lookups", Name: "late", Start: 8 * time.Second, End: 10 * time.Second},
		},
		Faults: []runner.FaultProgress{{Name: "cut", Start: 8 * time.Second, End: 9 * time.Second, State: "waiting"}},
	}
	if got := ruler(p, 10*time.Second, 10); got != " ┴──┴─┃·┴▒·" {
		t.Errorf("the ruler is %q", got)
	}
}

// The ruler marks phases, gone by and to come, and a fault takes time from a phase.
func TestRulerMarksPhases(t *testing.T) {
	p := runner.Progress{
		At:     5 * time.Second,
		Phases: []runner.PhaseProgress{{Name: "early", Start: time.Second, End: 4 * time.Second}, {Name: "late", Start: 6 * time.Second, End: 9 * time.Second}},
		Faults: []runner.FaultProgress{{Name: "cut", Start: 2 * time.Second, End: 3 * time.Second, State: "healed"}, {Name: "next", Start: 7 * time.Second, End: 8 * time.Second, State: "waiting"}},
	}
	if got := ruler(p, 10*time.Second, 10); got != " ─═█═─┃∷▒∷·" {
		t.Errorf("the ruler is %q", got)
	}
}
