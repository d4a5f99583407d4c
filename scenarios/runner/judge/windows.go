package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// Plan is what the scenario's times come to for one stream: the windows, and the slots that counts are kept in. Counts are
// kept for each window of a name and a base. A gate on the baseline counts what a phase holds before the first fault, and not
// what the same phase holds after it. A window has an index; windows of one name are one window of the record.
type Plan struct {
	Pieces  []faults.Window
	Names   []string // of the windows, by index, in order of appearance
	Slots   *metrics.Slots
	windows []faults.Window // by index: the first piece of each
	at      []int           // of each piece, the index of its window
	// phasesOver lists the phases that take a part of a step, by the step's name.
	phasesOver func(step string) []string
}

// NewPlan makes the plan of a stream. An empty name stands for what all streams have in common.
func NewPlan(sc *scenarios.Scenario, stream string) *Plan {
	p := &Plan{
		Pieces:     faults.Windows(sc.Spans(stream), sc.Run.Duration),
		phasesOver: func(step string) []string { return sc.PhasesOver(stream, step) },
	}
	cuts := make([]metrics.Span, 0, len(p.Pieces))
	for _, w := range p.Pieces {
		i := slices.IndexFunc(p.windows, func(o faults.Window) bool { return o.Name == w.Name && o.Base == w.Base })
		if i < 0 {
			i = len(p.windows)
			p.windows, p.Names = append(p.windows, w), append(p.Names, w.Name)
		}
		p.at = append(p.at, i)
		cuts = append(cuts, metrics.Span{Start: w.Start, End: w.End, Window: i})
	}
	p.Slots = metrics.NewSlots(cuts)
	return p
}

// Faults lists the fault in force in each window, by index; empty: none is.
func (p *Plan) Faults() []string {
	all := make([]string, 0, len(p.windows))
	for i := range p.windows {
		all = append(all, p.windows[i].Fault)
	}
	return all
}

// WindowAt is the index of the window that holds t, WindowWarmup before the measured part.
func (p *Plan) WindowAt(t time.Duration) int {
	i := faults.WindowAt(p.Pieces, t)
	if i < 0 {
		return reports.WindowWarmup
	}
	return p.at[i]
}

// Named are the windows that the record shows under that name.
func (p *Plan) Named(name string) []int {
	return p.those(func(w *faults.Window) bool { return w.Name == name })
}

// Over are the windows that a gate on the window of that name is judged on: those of the name, and the phases and the steps
// that lie inside it.
func (p *Plan) Over(name string) []int {
	return p.those(func(w *faults.Window) bool { return w.Covers(name) })
}

// share says whether the time between two moments lies in the windows of that name: all of it, or a part. An empty name is the whole
// run. The last window has no end.
func (p *Plan) share(name string, from, to time.Duration) (wholly, partly bool) {
	if name == "" {
		return true, true
	}
	wholly = true
	for i := range p.Pieces {
		w := &p.Pieces[i]
		last := i == len(p.Pieces)-1
		if w.Start >= to || w.End <= from && !last {
			continue
		}
		covers := w.Covers(name)
		wholly, partly = wholly && covers, partly || covers
	}
	return wholly && partly, partly
}

func (p *Plan) those(is func(*faults.Window) bool) (indices []int) {
	for i := range p.windows {
		if is(&p.windows[i]) {
			indices = append(indices, i)
		}
	}
	return indices
}

// all are the windows of the plan.
func (p *Plan) all() []int { return p.those(func(*faults.Window) bool { return true }) }

// measured are the windows of the plan before the drain.
func (p *Plan) measured() []int {
	return p.those(func(w *faults.Window) bool { return w.Name != faults.Drain })
}

// Reached are the names of the windows that begin before ended, and the drain, in order of appearance.
func (p *Plan) Reached(ended time.Duration) (names []string) {
	for i := range p.Pieces {
		w := &p.Pieces[i]
		if (w.Start < ended || w.Name == faults.Drain) && !slices.Contains(names, w.Name) {
			names = append(names, w.Name)
		}
	}
	return names
}

// Length is the time that the pieces of some windows cover up to the time until.
func (p *Plan) Length(windows []int, until time.Duration) time.Duration {
	var sum time.Duration
	for _, w := range windows {
		sum += p.Slots.Length(w, until)
	}
	return sum
}

// within says whether a gate on the window of that name is judged on [start, end) as a whole.
func (p *Plan) within(name string, start, end time.Duration) bool {
	for i := max(faults.WindowAt(p.Pieces, start), 0); i < len(p.Pieces) && p.Pieces[i].Start < end; i++ {
		if !p.Pieces[i].Covers(name) {
			return false
		}
	}
	return true
}

// scope puts a window in words, with the phases and the steps that lie inside it.
func (p *Plan) scope(window string) string {
	text := scope(window)
	var inside []string
	for _, i := range p.Over(window) {
		if name := p.Names[i]; name != window {
			inside = append(inside, name)
		}
	}
	if len(inside) > 0 {
		text += fmt.Sprintf(" (with %s inside it)", strings.Join(inside, ", "))
	}
	if phases := p.phasesOver(window); len(phases) > 0 {
		text += fmt.Sprintf(" (without its time in %s)", strings.Join(phases, ", "))
	}
	return text
}

// overWindows is what is known of a stream over the scope of a gate.
type overWindows struct {
	windows  []int             // of the plan
	measures *reports.Measures // nil: the scope was not reached
	cell     *metrics.Cell     // nil: the plan has no such window
	length   time.Duration
}

// over gathers what is known of the stream over the window of that name, the phases and the steps inside it included; an
// empty name is the whole run.
func (s *Stream) over(run *reports.Run, name string) overWindows {
	out, ended := run.Streams[s.Spec.Name], time.Duration(run.DurationNS)
	plan := s.Tally.plan
	if name == "" {
		return overWindows{plan.all(), &out.Total, &s.Tally.Total, ended}
	}
	o := overWindows{windows: plan.Over(name), measures: out.Windows[name]}
	if len(o.windows) == 0 {
		return o
	}
	o.cell, o.length = s.Tally.Over(o.windows), plan.Length(o.windows, ended)
	if !slices.Equal(o.windows, plan.Named(name)) {
		o.measures = s.sum(run, name, &o)
	}
	return o
}

// sum sums up a window with the phases and the steps inside it; nil when no part of it was reached.
func (s *Stream) sum(run *reports.Run, name string, o *overWindows) *reports.Measures {
	reached := func(w reports.Window) bool { return w.Covers(name) }
	if !slices.ContainsFunc(run.WindowsOf(s.Spec.Name), reached) {
		return nil
	}
	m := o.cell.Measures(o.length)
	for i := range s.Findings {
		if measure := s.Findings[i].Measure; measure != nil {
			measure(&m, o.windows)
		}
	}
	return &m
}
