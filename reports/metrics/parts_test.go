package metrics

import (
	"math"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

// chainEnd is an operation of two steps of 10 ms each. code ends the second one; empty: it is acked.
func chainEnd(code string, checked, failed uint64) *reports.Ended {
	const each = 10 * time.Millisecond
	steps := drivers.Steps{
		{Sent: 0, Done: each, Outcome: drivers.Acked, Answered: true},
		{Sent: each, Done: 2 * each, Outcome: drivers.Acked, Answered: true},
	}
	at := drivers.Attempt{Outcome: drivers.Acked, Wire: true, Answered: true, Done: 2 * each, Steps: &steps, Checked: checked, Failed: failed}
	if code != "" {
		answered := code != drivers.CodeTimeout
		steps[1] = drivers.Step{Sent: each, Done: 2 * each, Outcome: drivers.Indeterminate, Code: code, Answered: answered}
		at.Outcome, at.Code, at.Answered = drivers.Indeterminate, code, answered
	}
	return &reports.Ended{Outcome: at.Outcome, Done: at.Done, Trail: []drivers.Attempt{at}}
}

// readPart reads a metric of a part of a stream.
func readPart(t *testing.T, c *Cell, full, part string, index int) metric.Reading {
	t.Helper()
	for i := range Metrics {
		if m := &Metrics[i]; m.Full() == full {
			return m.Read(&metric.Facts{Metric: m, Part: part, Index: index, Kept: []any{c}})
		}
	}
	t.Fatalf("no metric %s", full)
	return metric.Reading{}
}

func TestParts(t *testing.T) {
	c := &Cell{}
	for range 6 {
		c.End(chainEnd("", 0b11, 0), time.Second)
	}
	failed := chainEnd(drivers.CodeCheck, 0b11, 0b10)
	c.End(failed, time.Second)
	c.End(chainEnd(drivers.CodeTimeout, 0, 0), time.Second)
	inf := metric.Infinite
	for _, test := range []struct {
		full, part     string
		index          int
		value, targets float64
	}{
		{"code(NAME)", "check", 0, 1, 1},
		{"code(NAME)", "timeout", 0, 1, 1},
		{"code(NAME)", "reset", 0, 0, 0},
		{"check(NAME)", "first", 0, 0, 0},
		{"check(NAME)", "second", 1, 1, 1},
		{"step(NAME).errors", "a", 0, 0, 0},
		{"step(NAME).errors", "b", 1, 0.25, 0.25},
		{"step(NAME).attempts", "b", 1, 8, 8},
		{"step(NAME).p50", "b", 1, 10e6, 10e6},
		{"step(NAME).max", "b", 1, inf, inf},
		{"step(NAME).max", "a", 0, 10e6, 10e6},
	} {
		got := readPart(t, c, test.full, test.part, test.index)
		near := func(a, b float64) bool { return a == b || math.Abs(a-b) < 0.002*b }
		if got.Missing != "" || !near(got.Value, test.value) || !near(got.Targets, test.targets) {
			t.Errorf("%s of %s: %+v, want %v", test.full, test.part, got, test.value)
		}
	}
	// What is left out is gone from each part.
	less := c.Without([]*reports.Ended{kept(failed)})
	for _, full := range []string{"code(NAME)", "check(NAME)"} {
		if got := readPart(t, less, full, drivers.CodeCheck, 1); got.Value != 0 || got.Missing != "" {
			t.Errorf("%s without the operation: %+v", full, got)
		}
	}
	if got := readPart(t, less, "step(NAME).attempts", "b", 1); got.Value != 7 {
		t.Errorf("attempts of a step without the operation: %+v", got)
	}
	// A wrong answer stands however little CPU the target got, and a timeout does not.
	best := c.Excused()
	for part, want := range map[string]float64{drivers.CodeCheck: 1, drivers.CodeTimeout: 0} {
		if got := readPart(t, best, "code(NAME)", part, 0); got.Value != want {
			t.Errorf("code(%s) at best: %+v", part, got)
		}
	}
	if got := readPart(t, best, "step(NAME).errors", "b", 1); got.Value != 0.125 {
		t.Errorf("errors of a step at best: %+v", got)
	}
	// What was not sent may have failed in any way, or not.
	c.Drop(true)
	for full, want := range map[string]metric.Reading{
		"code(NAME)":        {Value: 0, Targets: 1},
		"check(NAME)":       {Value: 1, Targets: 2},
		"step(NAME).errors": {Value: 3.0 / 9, Targets: 2.0 / 9},
	} {
		if got := readPart(t, c, full, "reset", 1); got != want {
			t.Errorf("%s with an operation that was not sent: %+v, want %+v", full, got, want)
		}
	}
}

// What was never tried shows nothing.
func TestPartsUntried(t *testing.T) {
	c := &Cell{}
	c.End(&reports.Ended{Outcome: drivers.Rejected, Trail: []drivers.Attempt{{Outcome: drivers.Rejected, Code: "http_404", Wire: true, Answered: true}}}, time.Second)
	for _, full := range []string{"check(NAME)", "step(NAME).p99", "step(NAME).errors"} {
		if got := readPart(t, c, full, "x", 0); got.Missing == "" {
			t.Errorf("%s: %+v", full, got)
		}
	}
	unsent := &Cell{}
	unsent.Drop(true)
	if got := readPart(t, unsent, "code(NAME)", "timeout", 0); got.Missing == "" {
		t.Errorf("code of nothing: %+v", got)
	}
}
