package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// view shows a run while it goes on.
type view interface {
	start(sc *scenarios.Scenario, dir string)
	// show takes a partial record and what is known beside it.
	show(run *reports.Run, p runner.Progress)
	stop()
}

// newView chooses by what w is: a terminal that can be drawn on gets a live view, a pipe or a plain terminal lines.
func newView(w io.Writer, quiet bool) view {
	if quiet {
		return silent{}
	}
	if width, _ := terminal(w); width > 0 && drawable() {
		return &screen{w: w}
	}
	return &lines{w: w}
}

type silent struct{}

func (silent) start(*scenarios.Scenario, string)  {}
func (silent) show(*reports.Run, runner.Progress) {}
func (silent) stop()                              {}

// lines tells of a run in plain lines: one every few seconds, and one at every change of a fault.
type lines struct {
	w      io.Writer
	last   time.Duration
	states map[string]string
	drain  bool
	over   bool // the run was stopped, and that was told
}

// linesEvery is the time between two progress lines.
const linesEvery = 5 * time.Second

func (v *lines) start(sc *scenarios.Scenario, dir string) {
	v.states, v.last = make(map[string]string), -time.Hour
	fmt.Fprintf(v.w, "run %s: seed %d, %s warm-up, %s measured, record in %s\n", sc.Name, sc.Seed, sc.Run.Warmup, sc.Run.Duration, dir)
}

func (v *lines) show(run *reports.Run, p runner.Progress) {
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

func (*lines) stop() {}

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

// ruler draws the timeline: a dot for time to come, a line for time gone by, and a mark for now. A phase is a double line, dotted
// while it is to come. A fault is a block, or a dashed line when it was not injected; it takes time from a phase.
func ruler(p runner.Progress, length time.Duration, width int) string {
	if length <= 0 || width < 10 {
		return ""
	}
	cells := []rune(strings.Repeat("·", width))
	at := func(d time.Duration) int { return min(max(int(int64(d)*int64(width)/int64(length)), 0), width-1) }
	for i := 0; i < at(p.At); i++ {
		cells[i] = '─'
	}
	for _, phase := range p.Phases {
		for i := at(phase.Start); i <= at(phase.End-1); i++ {
			if cells[i] = '∷'; i < at(p.At) {
				cells[i] = '═'
			}
		}
	}
	for _, f := range p.Faults {
		for i := at(f.Start); i <= at(f.End-1); i++ {
			switch {
			case missed(p, &f):
				cells[i] = '╌'
			case i < at(p.At):
				cells[i] = '█'
			default:
				cells[i] = '▒'
			}
		}
	}
	cells[at(p.At)] = '┃'
	return " " + string(cells)
}

// missed says whether a fault was not injected, and will not be.
func missed(p runner.Progress, f *runner.FaultProgress) bool {
	return f.State == "waiting" && (p.Stopped != "" || p.At >= f.End)
}

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
