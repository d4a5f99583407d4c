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
		{"one", []Span{{"a", 2, 5}}, 10, []string{"baseline 0-2", "a 2-5", "after a 5-10", "drain 10-10"}},
		{"at once and to the end", []Span{{"a", 0, 10}}, 10, []string{"a 0-10", "drain 10-10"}},
		{"beyond the end", []Span{{"a", 8, 12}}, 10, []string{"baseline 0-8", "a 8-10", "drain 10-10"}},
		{"back to back", []Span{{"a", 2, 4}, {"b", 4, 6}}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-6", "after b 6-10", "drain 10-10"}},
		{"overlap", []Span{{"a", 2, 6}, {"b", 4, 8}}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-8", "after b 8-10", "drain 10-10"}},
		{"cut in two", []Span{{"a", 2, 8}, {"b", 4, 6}}, 10,
			[]string{"baseline 0-2", "a 2-4", "b 4-6", "a 6-8", "after a 8-10", "drain 10-10"}},
		{"started together", []Span{{"a", 2, 8}, {"b", 2, 6}}, 10,
			[]string{"baseline 0-2", "b 2-6", "a 6-8", "after a 8-10", "drain 10-10"}},
		{"no length", []Span{{"a", 4, 4}}, 10, []string{"baseline 0-10", "drain 10-10"}},
		{"out of order", []Span{{"b", 6, 7}, {"a", 1, 2}}, 10,
			[]string{"baseline 0-1", "a 1-2", "after a 2-6", "b 6-7", "after b 7-10", "drain 10-10"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, w := range Windows(tt.plan, time.Duration(tt.duration)) {
				got = append(got, fmt.Sprintf("%s %d-%d", w.Name, w.Start, w.End))
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestWindowsPartition checks each time of a small run against the rule, computed the slow way.
func TestWindowsPartition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const duration = 30
		plan := make([]Span, rapid.IntRange(0, 6).Draw(t, "faults"))
		for i := range plan {
			start := rapid.IntRange(-3, 35).Draw(t, "start")
			length := rapid.IntRange(0, 20).Draw(t, "length")
			plan[i] = Span{Name: fmt.Sprint("f", i), Start: time.Duration(start), End: time.Duration(start + length)}
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
		for at := time.Duration(-2); at < duration+3; at++ {
			i := WindowAt(windows, at)
			switch {
			case at < 0 && i != -1, at >= duration && i != len(windows)-1:
				t.Fatalf("time %d is in window %d of %v", at, i, windows)
			case at >= 0 && at < duration && windows[i].Name != nameAt(plan, at):
				t.Fatalf("time %d is in %q, want %q: %v", at, windows[i].Name, nameAt(plan, at), plan)
			}
		}
	})
}

func nameAt(plan []Span, at time.Duration) string {
	force := Span{Start: -1000}
	for _, s := range plan {
		if s.Start <= at && at < s.End && s.Start >= force.Start {
			force = s
		}
	}
	if force.Name != "" {
		return force.Name
	}
	over := Span{End: -1000}
	for _, s := range plan {
		later := s.End > over.End || s.End == over.End && s.Start >= over.Start
		if s.End > s.Start && s.End <= at && later {
			over = s
		}
	}
	if over.Name != "" {
		return After(over.Name)
	}
	return Baseline
}
