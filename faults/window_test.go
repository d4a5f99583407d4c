package faults

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWindows(t *testing.T) {
	tests := []struct {
		name     string
		plan     []Span
		duration int
		want     []string
	}{
		{"no fault", nil, 10, []string{"baseline 0-10", "drain 10-10"}},
		{"no run", nil, 0, []string{"drain 0-0"}},
		{"one", []Span{fault("a", 2, 5)}, 10, []string{"baseline 0-2", "a 2-5", "after a 5-10", "drain 10-10"}},
		{"at once and to the end", []Span{fault("a", 0, 10)}, 10, []string{"a 0-10", "drain 10-10"}},
		{"beyond the end", []Span{fault("a", 8, 12)}, 10, []string{"baseline 0-8", "a 8-10", "drain 10-10"}},
		{"back to back", []Span{fault("a", 2, 4), fault("b", 4, 6)}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-6", "after b 6-10", "drain 10-10"}},
		{"overlap", []Span{fault("a", 2, 6), fault("b", 4, 8)}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-8", "after b 8-10", "drain 10-10"}},
		{"cut in two", []Span{fault("a", 2, 8), fault("b", 4, 6)}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-6", "a 6-8", "after a 8-10", "drain 10-10"}},
		{"started together", []Span{fault("a", 2, 8), fault("b", 2, 6)}, 10,
			[]string{"baseline 0-2", "b 2-6", "a 6-8", "after a 8-10", "drain 10-10"}},
		{"no length", []Span{fault("a", 4, 4)}, 10, []string{"baseline 0-10", "drain 10-10"}},
		{"out of order", []Span{fault("b", 6, 7), fault("a", 1, 2)}, 10,
			[]string{"baseline 0-1", "a 1-2", "after a 2-6", "b 6-7", "after b 7-10", "drain 10-10"}},
		{"a phase", []Span{phase("p", 2, 4)}, 10, []string{"baseline 0-2", "p 2-4 in baseline", "baseline 4-10", "drain 10-10"}},
		{"a phase of the whole run", []Span{phase("p", 0, 10)}, 10, []string{"p 0-10 in baseline", "drain 10-10"}},
		{"a phase around a fault", []Span{phase("p", 2, 8), fault("a", 4, 6)}, 10,
			[]string{"baseline 0-2", "p 2-4 in baseline", "a 4-6", "p 6-8 in after a", "after a 8-10", "drain 10-10"}},
		{"a phase within a fault", []Span{fault("a", 2, 8), phase("p", 4, 6)}, 10,
			[]string{"baseline 0-2", "a 2-8", "after a 8-10", "drain 10-10"}},
		{"a phase after two faults", []Span{fault("a", 1, 2), fault("b", 3, 4), phase("p", 5, 6)}, 10,
			[]string{"baseline 0-1", "a 1-2", "after a 2-3", "b 3-4", "after b 4-5", "p 5-6 in after b", "after b 6-10", "drain 10-10"}},
		{"phases back to back", []Span{phase("p", 2, 4), phase("q", 4, 6)}, 10,
			[]string{"baseline 0-2", "p 2-4 in baseline", "q 4-6 in baseline", "baseline 6-10", "drain 10-10"}},
		{"a step under a phase under a fault", []Span{step("s", 0, 9), phase("p", 2, 6), fault("a", 4, 5)}, 10,
			[]string{"s 0-2 in baseline", "p 2-4 in baseline", "a 4-5", "p 5-6 in after a", "s 6-9 in after a", "after a 9-10", "drain 10-10"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, w := range Windows(tt.plan, time.Duration(tt.duration)) {
				text := fmt.Sprintf("%s %d-%d", w.Name, w.Start, w.End)
				if w.Named() {
					text += " in " + w.Base
				}
				got = append(got, text)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func fault(name string, start, end time.Duration) Span {
	return Span{Name: name, Start: start, End: end}
}
func phase(name string, start, end time.Duration) Span {
	return Span{Name: name, Start: start, End: end, Kind: PhaseSpan}
}
func step(name string, start, end time.Duration) Span {
	return Span{Name: name, Start: start, End: end, Kind: StepSpan}
}

// TestWindowsPartition checks each time of a small run against the rule, computed the slow way.
func TestWindowsPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const duration = 30
		plan := make([]Span, rapid.IntRange(0, 8).Draw(t, "spans"))
		for i := range plan {
			start := rapid.IntRange(-3, 35).Draw(t, "start")
			length := rapid.IntRange(0, 20).Draw(t, "length")
			kind := rapid.SampledFrom([]SpanKind{FaultSpan, PhaseSpan, StepSpan}).Draw(t, "kind")
			plan[i] = Span{Name: fmt.Sprint("s", i), Start: time.Duration(start), End: time.Duration(start + length), Kind: kind}
		}
		windows := Windows(plan, duration)
		end := time.Duration(0)
		for i, w := range windows[:len(windows)-1] {
			if w.Start != end || w.End <= w.Start {
				t.Fatalf("window %d of %v does not continue at %d", i, windows, end)
			}
			end = w.End
		}
		drain := windows[len(windows)-1]
		if end != duration || drain != (Window{Name: Drain, Start: duration, End: duration}) {
			t.Fatalf("%v does not end with the drain at %d", windows, duration)
		}
		var faultsAlone []Span
		for _, s := range plan {
			if s.Kind == FaultSpan {
				faultsAlone = append(faultsAlone, s)
			}
		}
		plain := Windows(faultsAlone, duration)
		for at := time.Duration(-2); at < duration+3; at++ {
			i := WindowAt(windows, at)
			switch {
			case at < 0 && i != -1, at >= duration && i != len(windows)-1:
				t.Fatalf("time %d is in window %d of %v", at, i, windows)
			case at < 0 || at >= duration:
				continue
			}
			w := &windows[i]
			if name, base := slowly(plan, at); w.Name != name || w.Base != base || (w.Fault != "") != (base == "") {
				t.Fatalf("time %d is in %+v, want %q in %q: %v", at, *w, name, base, plan)
			}
			// What a gate on a window of faults covers is the same without phases and steps.
			for _, o := range plain {
				holds := plain[WindowAt(plain, at)].Name == o.Name
				if w.Covers(o.Name) != holds {
					t.Fatalf("time %d: phases and steps change what %q covers: %v", at, o.Name, plan)
				}
			}
		}
	})
}

// slowly tells the name and the base of a time.
func slowly(plan []Span, at time.Duration) (name, base string) {
	inForce := func(kind SpanKind) string {
		force := Span{Start: -1000}
		for _, s := range plan {
			if s.Kind == kind && s.Start <= at && at < s.End && s.Start >= force.Start {
				force = s
			}
		}
		return force.Name
	}
	if name := inForce(FaultSpan); name != "" {
		return name, ""
	}
	base, over := Baseline, Span{End: -1000}
	for _, s := range plan {
		later := s.End > over.End || s.End == over.End && s.Start >= over.Start
		if s.Kind == FaultSpan && s.End > s.Start && s.End <= at && later {
			base, over = After(s.Name), s
		}
	}
	if name := inForce(PhaseSpan); name != "" {
		return name, base
	}
	if name := inForce(StepSpan); name != "" {
		return name, base
	}
	return base, base
}
