package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// subject is the stream of a gate. Where the gate names a place of its effects, it is a stream with the findings of that place.
func (f *Facts) subject(g *scenarios.Gate) *Stream {
	s := f.stream(g.Stream)
	if g.Subject.Kind == "" || g.OfPart() {
		return s
	}
	narrow := *s
	narrow.Findings, narrow.place = nil, g.Subject.Name
	for i := range s.Places {
		if s.Places[i].Name == g.Subject.Name {
			narrow.Findings = s.Places[i].Findings
		}
	}
	return &narrow
}

// recordOf is the record, in which the stream holds the measures of the place that it was narrowed to.
func (s *Stream) recordOf(run *reports.Run) *reports.Run {
	if s.place == "" {
		return run
	}
	narrow, stream := *run, *run.Streams[s.Spec.Name]
	stream.Total = *measuresOf(&stream, s.place, "")
	stream.Windows = maps.Clone(stream.Windows)
	for name := range stream.Windows {
		stream.Windows[name] = measuresOf(run.Streams[s.Spec.Name], s.place, name)
	}
	narrow.Streams = maps.Clone(run.Streams)
	narrow.Streams[s.Spec.Name] = &stream
	return &narrow
}

// measuresOf are the measures of a window, as a place shows them where one is named; nil when the window was not reached. An empty
// window is the whole run.
func measuresOf(s *reports.Stream, place, window string) *reports.Measures {
	m := &s.Total
	if window != "" {
		m = s.Windows[window]
	}
	if place == "" || m == nil {
		return m
	}
	out := *m
	out.Integrity, out.Effect = nil, nil
	for i := range s.Places {
		p := &s.Places[i]
		if p.Name != place {
			continue
		}
		shown := &p.Total
		if window != "" {
			shown = p.Windows[window]
		}
		if shown != nil {
			out.Integrity, out.Effect = shown.Integrity, shown.Effect
		}
	}
	return &out
}

// inOnePlace reads a count that is not known of all places together from the place that knows the largest. An operation counts if it
// is so in at least one place: there are at least so many.
func (s *Stream) inOnePlace(g *scenarios.Gate, run *reports.Run, all metric.Reading) metric.Reading {
	if g.Metric.Class != metric.Integrity || g.Metric.Count == nil || g.Subject.Kind != "" {
		return all
	}
	var most int64
	for i := range s.Places {
		m := measuresOf(run.Streams[s.Spec.Name], s.Places[i].Name, g.Scope.Window)
		if s.Spec.Compensates(s.Places[i].Name) || m == nil {
			continue
		}
		if n := g.Metric.Count(m); n != nil {
			most = max(most, *n)
		}
	}
	if most == 0 {
		return all
	}
	return metric.Reading{Value: float64(most), Targets: float64(most), AtLeast: all.Missing}
}

// inPlaces says in which places of the effects a count of the whole stream was found; empty where the places have no names.
func inPlaces(s *reports.Stream, m *metric.Metric) string {
	if m.Subject != "" || m.Count == nil {
		return ""
	}
	var parts []string
	for i := range s.Places {
		p := &s.Places[i]
		if n := m.Count(&reports.Measures{Integrity: p.Total.Integrity}); n != nil && *n > 0 {
			parts = append(parts, fmt.Sprintf("%s in %s", reports.Count(*n), p.Name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// placesGated says that a gate looks at a count in each of the places where it was found.
func (f *Facts) placesGated(m *metric.Metric, stream string, s *reports.Stream) bool {
	found := 0
	for i := range s.Places {
		p := &s.Places[i]
		if m.Count == nil || metric.Zero(m.Count(&reports.Measures{Integrity: p.Total.Integrity})) {
			continue
		}
		found++
		looks := func(g scenarios.Gate) bool {
			return g.Stream == stream && g.Subject.Name == p.Name && g.Metric.Base == m.Full()
		}
		if !slices.ContainsFunc(f.Scenario.Expect, looks) {
			return false
		}
	}
	return found > 0
}
