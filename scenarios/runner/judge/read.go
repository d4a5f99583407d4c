package judge

import (
	"math"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// gates decides every gate.
func (f *Facts) gates(run *reports.Run) []reports.Gate {
	out := []reports.Gate{}
	for i := range f.Scenario.Expect {
		g := &f.Scenario.Expect[i]
		var gate reports.Gate
		if w := f.stream(g.Stream).Tally.worstOf(g); w != nil {
			gate = w.decide()
		} else {
			gate = decide(g, f.read(g, run))
		}
		if gate.Verdict == reports.Fail && g.Metric.Class == metric.Integrity && g.Scope.Window == "" {
			gate.Why += where(run, g)
		}
		out = append(out, gate)
	}
	return out
}

// where tells in which windows a count was found.
func where(run *reports.Run, g *scenarios.Gate) string {
	var parts []string
	for _, name := range run.WindowNames() {
		m := run.Streams[g.Stream].Windows[name]
		if m == nil {
			continue
		}
		if n := g.Metric.Count(m); n != nil && *n > 0 {
			parts = append(parts, reports.Count(*n)+scope(name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// read reads a gate's metric over its scope.
func (f *Facts) read(g *scenarios.Gate, run *reports.Run) reading {
	r := reading{limited: limitedIn(g, run), where: scope(g.Scope.Window)}
	s := f.stream(g.Stream)
	facts := metric.Facts{
		Metric: g.Metric, Argument: g.Argument, Kept: s.kept(g.Scope.Window), Length: time.Duration(run.DurationNS),
		Stream: run.Streams[g.Stream], Unknown: s.unknown(g.Metric.Full()),
		Name: g.Stream, Fault: strings.TrimPrefix(g.Scope.Window, faults.After("")), Faults: run.Faults,
	}
	facts.Measures = &facts.Stream.Total
	cell := &s.Tally.Total
	if window := g.Scope.Window; window != "" {
		facts.Measures = facts.Stream.Windows[window]
		cell, facts.Length = f.window(s, window, time.Duration(run.DurationNS))
	}
	switch {
	case g.Metric.Class == metric.Gauge:
		r.Reading = f.gauge(g, facts.Stream.Gauges)
		return r
	case cell == nil && g.Metric.BySecond:
		r.Reading = metric.Missing("the schedule that this seed draws has no such window")
		return r
	}
	facts.Kept = append(facts.Kept, cell)
	r.Reading = g.Metric.Read(&facts)
	if r.Awaited > 0 {
		r.limited = r.limited || f.limitedUntil(g, run, r.Awaited)
	}
	return r
}

// window is what was measured of a stream's operations in a window, and its length until a time; nil where the plan has no
// such window.
func (f *Facts) window(s *Stream, name string, until time.Duration) (*metrics.Cell, time.Duration) {
	i, ok := f.Plan.Index[name]
	if !ok {
		return nil, 0
	}
	return &s.Tally.Windows[i], f.Plan.Length(name, until)
}

// readCell reads a gate's metric from the operations of some time alone.
func readCell(g *scenarios.Gate, c *metrics.Cell, length time.Duration) metric.Reading {
	return g.Metric.Read(&metric.Facts{Metric: g.Metric, Argument: g.Argument, Kept: []any{c}, Length: length})
}

// scope puts a window in words.
func scope(window string) string {
	switch {
	case window == "", strings.HasPrefix(window, faults.After("")):
		return strings.TrimRight(" "+window, " ")
	}
	return " during " + window
}

// gauge is the sample within the gate's scope that is furthest on the wrong side of the limit: every one must hold.
func (f *Facts) gauge(g *scenarios.Gate, samples map[string][]reports.Sample) metric.Reading {
	var worst *float64
	for _, sample := range samples[g.Metric.Name] {
		at := f.Plan.WindowAt(time.Duration(sample.AtNS))
		if g.Scope.Window != "" && (at == reports.WindowWarmup || f.Plan.Names[at] != g.Scope.Window) {
			continue
		}
		if worst == nil || further(g, sample.Value, *worst) {
			worst = &sample.Value
		}
	}
	if worst == nil {
		return metric.Missing("no reading")
	}
	return metric.Found(*worst)
}

// limitedIn says whether the load generator was saturated in some second that the gate's scope touches.
func limitedIn(g *scenarios.Gate, run *reports.Run) bool {
	for _, s := range run.Streams[g.Stream].Seconds {
		if !s.Limited {
			continue
		}
		if g.Scope.Window == "" {
			return true
		}
		for _, w := range run.Windows {
			if w.Name == g.Scope.Window && w.StartNS < s.StartNS+int64(time.Second) && w.EndNS > s.StartNS {
				return true
			}
		}
	}
	return false
}

// limitedUntil says whether the load generator was saturated while what belongs to a gate's window was still awaited: its
// reader is part of the generator.
func (f *Facts) limitedUntil(g *scenarios.Gate, run *reports.Run, awaited time.Duration) bool {
	from := int64(math.MaxInt64)
	for _, w := range run.Windows {
		if g.Scope.Window == "" || w.Name == g.Scope.Window {
			from = min(from, w.StartNS)
		}
	}
	for _, s := range run.Streams[g.Stream].Seconds {
		if s.Limited && s.StartNS+int64(time.Second) > from && s.StartNS <= int64(awaited) {
			return true
		}
	}
	for second := int(run.DurationNS / int64(time.Second)); time.Duration(second)*time.Second <= awaited; second++ {
		if f.Saturated(second) {
			return true
		}
	}
	return false
}
