package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity"
	"wringer/scenarios/runner"
)

// hunt tells how a search goes: a line for each trial, and on a terminal one that follows the trial under way.
type hunt struct {
	w       io.Writer // nil: nothing is told
	width   int       // of the terminal; 0: it is none
	axis    *capacity.Axis
	bracket string // where the search stands
	drawn   bool
}

func newHunt(w io.Writer, quiet bool, axis *capacity.Axis) *hunt {
	h := &hunt{w: w, axis: axis, bracket: "the first trial"}
	if quiet {
		h.w = nil
	}
	if width, _ := terminal(w); drawable() {
		h.width = width
	}
	return h
}

// watch follows a trial under way. It is called from one goroutine at a time, and never while tell is.
func (h *hunt) watch(run *reports.Run, p runner.Progress) {
	if h.w == nil || h.width == 0 {
		return
	}
	var b strings.Builder
	for _, s := range p.Streams {
		fmt.Fprintf(&b, "  %s %s/s p99 %s errors %s", s.Name, reports.Count(s.Last.Acked), p99(&s.Last), reports.Share(errorShare(&s.Last)))
	}
	text := fmt.Sprintf("%s %s of %s%s", h.bracket, stamp(p.At), reports.Duration(float64(run.PlannedNS)), b.String())
	if runes := []rune(text); len(runes) >= h.width {
		text = string(runes[:h.width-1])
	}
	fmt.Fprint(h.w, "\r\x1b[2K"+text)
	h.drawn = true
}

// clear takes the followed line away.
func (h *hunt) clear() {
	if h.drawn {
		fmt.Fprint(h.w, "\r\x1b[2K")
		h.drawn = false
	}
}

// tell tells of a trial that ended.
func (h *hunt) tell(a *capacity.Answer, p capacity.Progress) {
	if h.w == nil {
		return
	}
	h.clear()
	if p.Trial == nil {
		fmt.Fprintf(h.w, "capacity of %s: seed %d; warming up, then the load generator is measured against nothing\n", a.Name, a.Seed)
		return
	}
	if len(a.Trials) == 1 {
		switch g := a.Generator; {
		case g.Ceiling != nil:
			fmt.Fprintf(h.w, "the load generator reaches %s against nothing\n", reports.Rate(*g.Ceiling))
		case g.Why != "":
			fmt.Fprintf(h.w, "the load generator was not measured: %s\n", g.Why)
		}
	}
	low, high := "?", "?"
	if p.Lower != nil {
		low = h.axis.Text(p.Lower.At)
	}
	if p.Upper != nil {
		high = h.axis.Text(p.Upper.At)
	}
	h.bracket = fmt.Sprintf("between %s and %s; about %s left", low, high, p.Left.Round(time.Second))
	why := ""
	if p.Trial.Verdict != string(reports.Pass) {
		why = " (" + p.Trial.Why + ")"
	}
	fmt.Fprintf(h.w, "trial %d  %s for %s s: %s%s; %s\n", len(a.Trials), h.axis.Text(p.Trial.At), reports.Factor(p.Trial.Seconds), p.Trial.Verdict, why, h.bracket)
}
