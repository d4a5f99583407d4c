package main

import (
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity"
	"wringer/scenarios/capacity/search"
	"wringer/scenarios/runner"
)

// A command with a view of its own ends the view that it did not start. It panicked on a terminal.
func TestAViewThatWasNotStartedStops(t *testing.T) {
	var b strings.Builder
	for _, v := range []view{silent{}, &lines{w: &b}, &screen{w: &b}} {
		v.stop()
	}
	if b.Len() > 0 {
		t.Errorf("%q", b.String())
	}
}

// On a terminal a line follows the trial under way and gives way to the trial's own; elsewhere there is one line for each trial.
func TestTheHuntIsTold(t *testing.T) {
	axis := &capacity.Axis{Streams: []string{"a"}}
	for _, width := range []int{0, 60} {
		var b strings.Builder
		h := newHunt(&b, false, axis)
		h.width = width
		a := &capacity.Answer{Name: "shop", Seed: 7, Generator: capacity.Generator{Ceiling: new(40000.0)}}
		h.tell(a, capacity.Progress{})
		a.Trials = []*capacity.Trial{{At: 10, Seconds: 5, Verdict: string(reports.Fail), Why: "a.p99 < 1s: 2 s"}}
		h.tell(a, capacity.Progress{Trial: a.Trials[0], Lower: &search.Bound{At: 5}, Upper: &search.Bound{At: 10}, Left: 90 * time.Second})
		h.watch(&reports.Run{PlannedNS: 3e9}, runner.Progress{At: time.Second, Streams: []runner.StreamProgress{{Name: "a"}}})
		h.clear()
		got := b.String()
		for _, want := range []string{"warming up", "reaches 40 k/s against nothing", "trial 1  10/s for 5 s: fail (a.p99 < 1s: 2 s); between 5/s and 10/s; about 1m30s left\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("width %d: %q is missing in %q", width, want, got)
			}
		}
		if follows := strings.Contains(got, "\r\x1b[2Kbetween 5/s and 10/s; about 1m30s left"); follows != (width > 0) {
			t.Errorf("width %d: %q", width, got)
		}
		if quiet := newHunt(&b, true, axis); quiet.w != nil {
			t.Error("a quiet hunt tells")
		}
	}
}
