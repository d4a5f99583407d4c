package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// view shows a run while it goes on.
type view interface {
	// start begins with a run. When ctx ends, the view says at once that the run is stopping.
	start(ctx context.Context, sc *scenarios.Scenario, dir string)
	// show takes a partial record and what is known beside it.
	show(run *reports.Run, p runner.Progress)
	stop()
	// starting tells what the start of the target waits for: as other does, where the view has no place for it.
	starting(other func(scenarios.StartStep)) func(scenarios.StartStep)
	// beside is where log lines go that would go to w.
	beside(w io.Writer) io.Writer
}

// newView chooses by what stderr is: a terminal that can be drawn on gets a live view, a pipe or a plain terminal lines.
func newView(std streams, quiet bool) view {
	if quiet {
		return silent{}
	}
	if width, _ := terminal(std.err); width > 0 && drawable() {
		return &screen{w: std.err, in: std.in}
	}
	return &lines{w: std.err}
}

type silent struct{}

func (silent) start(context.Context, *scenarios.Scenario, string) {}
func (silent) show(*reports.Run, runner.Progress)                 {}
func (silent) stop()                                              {}

func (silent) starting(other func(scenarios.StartStep)) func(scenarios.StartStep) { return other }
func (silent) beside(w io.Writer) io.Writer                                       { return w }

// lines tells of a run in plain lines: one every few seconds, and one at every change of a fault.
type lines struct {
	w      io.Writer
	mu     sync.Mutex // guards all below, and the order of lines
	unhook func() bool
	last   time.Duration
	states map[string]string
	drain  bool
	over   bool // the run was stopped, and that was told
	told   chan struct{}
}

// linesEvery is the time between two progress lines.
const linesEvery = 5 * time.Second

func (v *lines) start(ctx context.Context, sc *scenarios.Scenario, dir string) {
	v.states, v.last, v.told = make(map[string]string), -time.Hour, make(chan struct{})
	v.unhook = context.AfterFunc(ctx, func() {
		defer close(v.told)
		v.mu.Lock()
		defer v.mu.Unlock()
		fmt.Fprintln(v.w, stopping+": faults are healed, and what is open ends")
	})
	v.mu.Lock()
	defer v.mu.Unlock()
	fmt.Fprintf(v.w, "run %s: seed %d, %s warm-up, %s measured, record in %s\n", sc.Name, sc.Seed, sc.Run.Warmup, sc.Run.Duration, dir)
}

func (v *lines) show(run *reports.Run, p runner.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, f := range p.Faults {
		if before, known := v.states[f.Name]; known && before != f.State {
			fmt.Fprintf(v.w, "%s fault %s: %s\n", stamp(p.At), f.Name, f.State)
		}
		v.states[f.Name] = f.State
	}
	if p.Stopped != "" && !v.over {
		v.over = true
		fmt.Fprintf(v.w, "%s %s\n", stamp(p.At), stoppedText(p))
	}
	draining := p.At >= time.Duration(run.PlannedNS)
	if p.At-v.last < linesEvery && draining == v.drain {
		return
	}
	v.last, v.drain = p.At, draining
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-12s", stamp(p.At), windowName(p))
	for _, s := range p.Streams {
		if run.Streams[s.Name].Consumes() {
			fmt.Fprintf(&b, "  %s seen %s", s.Name, reports.Count(s.Seen))
			continue
		}
		fmt.Fprintf(&b, "  %s %s/s p99 %s errors %s", s.Name, reports.Count(s.Last.Acked), p99(&s.Last), reports.Share(errorShare(&s.Last)))
		if s.Unseen > 0 {
			fmt.Fprintf(&b, " unseen %d", s.Unseen)
		}
	}
	fmt.Fprintln(v.w, b.String())
}

func (v *lines) stop() {
	if v.unhook != nil && !v.unhook() {
		<-v.told // the last line before whatever follows
	}
}

func (*lines) starting(other func(scenarios.StartStep)) func(scenarios.StartStep) { return other }
func (*lines) beside(w io.Writer) io.Writer                                       { return w }

// stopping acknowledges that the end was asked for.
const stopping = "stopping in good order"

// stamp is a time of the run, in seconds.
func stamp(at time.Duration) string { return fmt.Sprintf("%6.1fs", at.Seconds()) }

// p99 puts a second's response time in words.
func p99(s *reports.Second) string {
	switch {
	case s.Offered == 0:
		return "-"
	case s.P99NS == nil:
		return "no answer"
	}
	return reports.Duration(float64(*s.P99NS))
}

// errorShare is the share of a second's operations that were not acked.
func errorShare(s *reports.Second) float64 {
	if s.Offered == 0 {
		return 0
	}
	return float64(s.Offered-s.Acked) / float64(s.Offered)
}

// windowName is the window; after an early stop it is the drain, whatever the plan says.
func windowName(p runner.Progress) string {
	if p.Stopped != "" {
		return faults.Drain
	}
	return p.Window
}

// stoppedText says that the run sends no more.
func stoppedText(p runner.Progress) string { return "stopped: " + p.Stopped + "; draining" }

// clip is at most n characters of a text, on one line.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s)
	if n <= 0 {
		return ""
	}
	if all := []rune(s); len(all) > n {
		return string(all[:n-1]) + "…"
	}
	return s
}
