package faults

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// Span is the planned interval of a fault, [Start, End).
type Span struct {
	Name       string
	Start, End time.Duration
}

// Window is an interval of the run, [Start, End). It has the name of the fault in force, or of the fault that ended last.
type Window struct {
	Name       string
	Start, End time.Duration
	// Fault is the fault in force; empty if there is none.
	Fault string
}

// Names of the windows that belong to no fault.
const (
	Baseline = "baseline"
	Drain    = "drain"
)

// After names the window that follows a fault.
func After(fault string) string { return "after " + fault }

// Windows divides the run: baseline, one window for each fault, and "after" the fault that ended last while none is in
// force. The drain comes last: it begins at duration, and its End is unknown here (it equals its Start). The other windows
// partition [0, duration). Where faults overlap, a time belongs to the fault that started last (of two that started
// together, to the later one in the plan). A window that another splits appears twice, under one name.
func Windows(plan []Span, duration time.Duration) []Window {
	duration = max(duration, 0)
	windows := []Window{}
	for i, cuts := 0, cuts(plan, duration); i+1 < len(cuts); i++ {
		w := windowAt(plan, cuts[i])
		w.End = cuts[i+1]
		if last := len(windows) - 1; last >= 0 && windows[last].Name == w.Name && windows[last].Fault == w.Fault {
			windows[last].End = w.End
			continue
		}
		windows = append(windows, w)
	}
	return append(windows, Window{Name: Drain, Start: duration, End: duration})
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
	force, over := -1, -1
	for i, s := range plan {
		switch {
		case s.End <= s.Start: // never in force
		case s.Start <= t && t < s.End:
			if force < 0 || s.Start >= plan[force].Start {
				force = i
			}
		case s.End <= t:
			if over < 0 || cmp.Or(cmp.Compare(s.End, plan[over].End), cmp.Compare(s.Start, plan[over].Start)) >= 0 {
				over = i
			}
		}
	}
	switch {
	case force >= 0:
		return Window{Name: plan[force].Name, Fault: plan[force].Name, Start: t}
	case over >= 0:
		return Window{Name: After(plan[over].Name), Start: t}
	}
	return Window{Name: Baseline, Start: t}
}

// WindowAt returns the index of the window that t belongs to: -1 before 0 (the warm-up), and the drain from its start on.
// windows is the result of Windows.
func WindowAt(windows []Window, t time.Duration) int {
	if t < 0 {
		return -1
	}
	return sort.Search(len(windows), func(i int) bool { return windows[i].Start > t }) - 1
}
