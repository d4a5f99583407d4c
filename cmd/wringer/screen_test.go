package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

func sceneOf(run *reports.Run, p runner.Progress) *scene {
	s := &scene{dir: "runs/demo", past: make(map[string]*recent)}
	s.take(run, p)
	return s
}

func pictured(s *scene, width, height int) string {
	return strings.Join(s.picture(width, height, false), "\n")
}

// wide is a moment of a run of 50 streams, of which two are in trouble.
func wide() *scene {
	run, p := shown(5*time.Second, "in force", reports.Second{})
	run.Streams, p.Streams = make(map[string]*reports.Stream), nil
	for i := range 50 {
		name, last := fmt.Sprintf("s%02d", i), reports.Second{Counts: reports.Counts{Offered: 10, Acked: 10}, P99NS: integer(2e6)}
		run.Streams[name] = &reports.Stream{Model: "open"}
		switch i {
		case 40:
			last.Acked = 5
			run.Streams[name].Total.Errors = map[string]int64{"http_503": 5}
		case 45:
			run.Gates = append(run.Gates, reports.Gate{Expr: "s45.p99 < 1ms", Stream: "s45", Verdict: reports.Fail, Unit: "ns", Observed: new(2e6), Limit: new(1e6)})
		}
		p.Streams = append(p.Streams, runner.StreamProgress{Name: name, Last: last})
	}
	run.Gates = append(run.Gates, reports.Gate{Expr: "s00.lost == 0", Stream: "s00", Verdict: reports.Inconclusive})
	run.Validity = reports.Validity{Verdict: reports.Inconclusive, Why: []string{"the load generator was saturated in 2 seconds"}}
	return sceneOf(run, p)
}

// Where there are more streams than lines, the head, the verdict so far and the streams in trouble stay.
func TestManyStreamsAreFolded(t *testing.T) {
	s := wide()
	text := pictured(s, 60, 20)
	for _, want := range []string{
		"fault cut", "gates so far: 0 held, 1 violated, 1 open", "✗ s45.p99 < 1ms: 2 ms", "validity: the load generator was saturated",
		"more streams: nothing unusual", "errors: http_503 5", "record in runs/demo",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	first, second, third := strings.Index(text, "\ns40 "), strings.Index(text, "\ns45 "), strings.Index(text, "\ns00 ")
	if first < 0 || second < first || third < second {
		t.Errorf("the streams in trouble do not come first:\n%s", text)
	}
	s.press("\x1b[A")
	text = pictured(s, 60, 20)
	if !strings.Contains(text, "\ns49 ") || !strings.Contains(text, "s49: no errors") {
		t.Errorf("the chosen stream is not shown:\n%s", text)
	}
}

func TestKeys(t *testing.T) {
	s := wide()
	if s.press("x") || s.chosen != "" {
		t.Error("a key without a meaning does something")
	}
	s.press("\x1b[B\x1b[B")
	if s.chosen != "s01" {
		t.Errorf("two arrows down choose %q", s.chosen)
	}
	s.press("?")
	if text := pictured(s, 60, 20); !strings.Contains(text, "stop in good order") {
		t.Errorf("the help is\n%s", text)
	}
	s.press("\x1b")
	if s.help || s.chosen != "" {
		t.Error("Esc leaves the help or the choice")
	}
	if !s.press("q") {
		t.Error("q does not end the run")
	}
}

func TestBars(t *testing.T) {
	if got := bars([]float64{9, noValue, noAnswer, 0, 1, 2}, 5); got != " ×▁▅█" {
		t.Errorf("%q", got)
	}
	if got := bars([]float64{0}, 3); got != "  ▁" {
		t.Errorf("%q", got)
	}
}

func TestRecentKeepsTheLastSeconds(t *testing.T) {
	var p recent
	for i := range int64(mostPast + 10) {
		p.add(&reports.Second{StartNS: i, Counts: reports.Counts{Offered: 1}})
		p.add(&reports.Second{StartNS: i, Counts: reports.Counts{Offered: 1, Acked: i}})
	}
	if len(p.rate) != mostPast || p.rate[mostPast-1] != mostPast+9 || p.times[0] != noAnswer {
		t.Errorf("%d seconds, the last %g", len(p.rate), p.rate[len(p.rate)-1])
	}
}

// writings keeps what several goroutines write.
type writings struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *writings) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *writings) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.text.Reset()
	return w.text.String()
}

// The screen writes the lines that changed alone, and says at once that the run is stopping.
func TestScreenWritesWhatChanged(t *testing.T) {
	var b writings
	v := &screen{w: &b}
	ctx, cancel := context.WithCancel(t.Context())
	ended := false
	terminal := &console{end: func() { ended = true }}
	v.start(context.WithValue(ctx, consoleKey{}, terminal), &scenarios.Scenario{Name: "demo"}, "runs/demo")
	run, p := shown(5*time.Second, "waiting", reports.Second{})
	v.show(run, p)
	written := func(do func()) string {
		b.taken()
		do()
		return b.taken()
	}
	if got := written(v.draw); strings.Contains(got, "demo") || strings.Contains(got, clearBelow) {
		t.Errorf("nothing changed, and it writes %q", got)
	}
	p.At = 6 * time.Second
	if got := written(func() { v.show(run, p) }); !strings.Contains(got, "6.0s of 10s") || strings.Contains(got, "runs/demo") {
		t.Errorf("the time changed, and it writes %q", got)
	}
	if got := written(func() { cancel(); <-v.told }); !strings.Contains(got, stopping) {
		t.Errorf("when the end is asked for it writes %q", got)
	}
	v.press("q", terminal)
	if !ended {
		t.Error("q ends nothing")
	}
	if got := written(terminal.restore); got != showCursor {
		t.Errorf("a command that dies writes %q", got)
	}
	if got := written(v.stop); strings.Contains(got, showCursor) {
		t.Error("the terminal is given back twice")
	}
}

// Log lines stand above the picture, and what the start waits for is a part of it.
func TestScreenBesideOthers(t *testing.T) {
	var b writings
	v := &screen{w: &b}
	step := v.starting(nil)
	v.start(t.Context(), &scenarios.Scenario{Name: "demo"}, "runs/demo")
	defer v.stop()
	step(scenarios.StartStep{Verb: "pull", What: "kafka:4", Done: 1, Total: 2})
	if got := b.taken(); !strings.Contains(got, "pull kafka:4  [##########..........]") {
		t.Errorf("a step of the start writes %q", got)
	}
	fmt.Fprintln(v.beside(nil), "level=WARN msg=odd")
	got := b.taken()
	before, after, found := strings.Cut(got, "level=WARN msg=odd\r\n")
	if !found || !strings.Contains(before, clearBelow) || !strings.Contains(after, "runs/demo") {
		t.Errorf("a log line writes %q", got)
	}
	run, p := shown(time.Second, "waiting", reports.Second{})
	v.show(run, p)
	if text := pictured(&v.shown, 80, 24); strings.Contains(text, "pull") {
		t.Errorf("the traffic began, and the picture is\n%s", text)
	}
}

// The names of faults stand where the faults begin.
func TestFaultNames(t *testing.T) {
	faults := []runner.FaultProgress{{Name: "late", Start: 9 * time.Second}, {Name: "cut", Start: 2 * time.Second}, {Name: "next", Start: 3 * time.Second}}
	if got := faultNames(faults, 10*time.Second, 10); got != "   cut late" {
		t.Errorf("%q", got)
	}
}
