package faults

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// SpanKind says where a span of the plan comes from.
type SpanKind uint8

const (
	FaultSpan SpanKind = iota
	// PhaseSpan is a span that the scenario names.
	PhaseSpan
	// StepSpan is a named step of a stream's rate.
	StepSpan
)

// Span is a planned interval of the run, [Start, End).
type Span struct {
	Name       string
	Start, End time.Duration
	Kind       SpanKind
}

// Window is an interval of the run, [Start, End).
type Window struct {
	// Name is the fault in force, else the phase, else the step, else Base.
	Name       string
	Start, End time.Duration
	// Fault is the fault in force; empty if there is none.
	Fault string
	// Base is the window that the time would belong to without phases and steps: Baseline before the first fault, after that
	// the name by After of the fault that ended last. It is empty while a fault is in force, and in the drain.
	Base string
	// Step: a step gives the window its name.
	Step bool
}

// Named says whether a phase or a step gives the window its name.
func (w *Window) Named() bool { return w.Base != "" && w.Name != w.Base }

// Covers says whether a gate on the window of that name is judged on this one too: it has the name, or lies inside the
// baseline or the time after a fault of that name. A phase or a step thus never takes time away from a gate.
func (w *Window) Covers(name string) bool { return w.Name == name || w.Base == name && name != "" }

// Names of the windows that belong to no fault.
const (
	Baseline = "baseline"
	Drain    = "drain"
)

// After names the window that follows a fault.
func After(fault string) string { return "after " + fault }

// Windows divides the run. A time belongs to the first of these that holds it: a fault in force, a phase, a step. Else it
// belongs to its base: "after" the fault that ended last, or the baseline before the first fault. The drain comes last: it
// begins at duration, and its End is unknown here (it equals its Start). The other windows partition [0, duration).
//
// Where spans of one kind overlap, a time belongs to the span that started last. Of two that started together, it belongs to the
// later one in the plan. A window that another splits appears once for each piece, under one name. So does a phase or a step that
// lies in two bases.
func Windows(plan []Span, duration time.Duration) []Window {
	duration = max(duration, 0)
	windows := []Window{}
	for i, cuts := 0, cuts(plan, duration); i+1 < len(cuts); i++ {
		w := windowAt(plan, cuts[i])
		w.End = cuts[i+1]
		if last := len(windows) - 1; last >= 0 && windows[last].same(&w) {
			windows[last].End = w.End
			continue
		}
		windows = append(windows, w)
	}
	return append(windows, Window{Name: Drain, Start: duration, End: duration})
}

func (w *Window) same(o *Window) bool {
	return w.Name == o.Name && w.Fault == o.Fault && w.Base == o.Base && w.Step == o.Step
}

// cuts returns the times in [0, duration] at which a window may begin or end, in ascending order.
func cuts(plan []Span, duration time.Duration) []time.Duration {
	at := []time.Duration{0, duration}
	for _, s := range plan {
		at = append(at, min(max(s.Start, 0), duration), min(max(s.End, 0), duration))
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// windowAt returns the window that begins at t, without its end.
func windowAt(plan []Span, t time.Duration) Window {
	force := [...]int{FaultSpan: -1, PhaseSpan: -1, StepSpan: -1}
	over := -1
	for i, s := range plan {
		switch {
		case s.End <= s.Start: // never in force
		case s.Start <= t && t < s.End:
			if at := &force[s.Kind]; *at < 0 || s.Start >= plan[*at].Start {
				*at = i
			}
		case s.End <= t && s.Kind == FaultSpan:
			if over < 0 || cmp.Or(cmp.Compare(s.End, plan[over].End), cmp.Compare(s.Start, plan[over].Start)) >= 0 {
				over = i
			}
		}
	}
	if i := force[FaultSpan]; i >= 0 {
		return Window{Name: plan[i].Name, Fault: plan[i].Name, Start: t}
	}
	w := Window{Name: Baseline, Base: Baseline, Start: t}
	if over >= 0 {
		w.Base = After(plan[over].Name)
		w.Name = w.Base
	}
	for _, kind := range []SpanKind{PhaseSpan, StepSpan} {
		if i := force[kind]; i >= 0 {
			w.Name, w.Step = plan[i].Name, kind == StepSpan
			break
		}
	}
	return w
}

// WindowAt returns the index of the window that t belongs to: -1 before 0 (the warm-up), and the drain from its start on.
// windows is the result of Windows.
func WindowAt(windows []Window, t time.Duration) int {
	if t < 0 {
		return -1
	}
	return sort.Search(len(windows), func(i int) bool { return windows[i].Start > t }) - 1
}
