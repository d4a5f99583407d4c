package judge

import (
	"math"
	"slices"
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
		switch g.Subject.Kind {
		case scenarios.LinkSubject:
			out = append(out, f.linkGate(g, run))
			continue
		case scenarios.ObserveSubject:
			out = append(out, f.observeGate(g, run))
			continue
		}
		var gate reports.Gate
		if w := f.stream(g.Stream).Tally.worstOf(g); w != nil {
			gate = w.decide()
		} else {
			gate = decide(g, f.read(g, run))
		}
		if gate.Verdict == reports.Fail && g.Metric.Class == metric.Integrity && g.Scope.Window == "" {
			gate.Why += where(run, g)
		}
		gate = f.undecided(g, run, f.excuse(g, run, f.interrupted(g, run, f.spare(g, run, gate))))
		if why := f.stream(g.Stream).broken(g.Metric.Full()); why != "" {
			gate = decide(g, missing("%s", why))
		}
		out = append(out, gate)
	}
	return out
}

// where lists the windows in which a count was found.
func where(run *reports.Run, g *scenarios.Gate) (text string) {
	defer func() {
		if recover() != nil {
			text = "" // a metric that broke tells no windows
		}
	}()
	var parts []string
	for _, name := range run.WindowNames() {
		m := measuresOf(run.Streams[g.Stream], g.Subject.Name, name)
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
	return ": " + strings.Join(parts, ", ") + inPlaces(run.Streams[g.Stream], g.Metric)
}

// read reads a gate's metric over its scope.
func (f *Facts) read(g *scenarios.Gate, run *reports.Run) reading {
	s := f.subject(g)
	return f.readOver(g, run, s.over(s.recordOf(run), g.Scope.Window))
}

// readOver reads a gate's metric from what is known of its stream over its scope.
func (f *Facts) readOver(g *scenarios.Gate, run *reports.Run, over overWindows) reading {
	s := f.subject(g)
	r := reading{limited: limitedIn(g, run), where: s.Tally.plan.scope(g.Scope.Window)}
	facts := metric.Facts{
		Metric: g.Metric, Argument: g.Argument, Part: g.Subject.Name, Index: g.Index, Kept: s.kept(over.windows), Length: over.length, Attempts: attempts(s.Spec),
		Stream: run.Streams[g.Stream], Measures: over.measures, Unknown: s.unknown(g.Metric.Recorded()),
		Name: g.Stream, Fault: strings.TrimPrefix(g.Scope.Window, faults.After("")), Faults: run.Faults,
	}
	switch {
	case g.Metric.Class == metric.Gauge:
		r.Reading = s.Tally.gauge(g, nil)
		return r
	case over.cell == nil && g.Metric.BySecond:
		r.Reading = f.windowMissing()
		return r
	}
	if over.cell != nil {
		facts.Kept = append(facts.Kept, over.cell)
	}
	r.Reading = readMetric(&facts)
	if r.Missing != "" {
		r.Reading = s.inOnePlace(g, run, r.Reading)
	}
	if r.Awaited > 0 {
		r.limited = r.limited || f.limitedUntil(g, run, r.Awaited)
	}
	return r
}

// windowMissing says why the run has no window although a gate names one: other faults were drawn, or a stream has another rate.
func (f *Facts) windowMissing() metric.Reading {
	if f.Scenario.Drawn() {
		return metric.Missing("the schedule that this seed draws has no such window")
	}
	return metric.Missing("the plan of this run has no such window")
}

// attempts are the most that an operation of a stream can take.
func attempts(s *scenarios.Stream) int64 {
	if s.Retry == nil {
		return 1
	}
	return int64(s.Retry.Attempts)
}

// readCell reads a gate's metric from the operations of some time alone.
func readCell(g *scenarios.Gate, c *metrics.Cell, length time.Duration) metric.Reading {
	return readMetric(&metric.Facts{Metric: g.Metric, Argument: g.Argument, Part: g.Subject.Name, Index: g.Index, Kept: []any{c}, Length: length})
}

// readMetric reads a metric. A metric that panics has no value.
func readMetric(facts *metric.Facts) (r metric.Reading) {
	defer func() {
		if p := recover(); p != nil {
			r = metric.Missing("metric %s broke: it panicked: %v", facts.Metric.Full(), p)
		}
	}()
	return facts.Metric.Read(facts)
}

// scope puts a window in words.
func scope(window string) string {
	switch {
	case window == "", strings.HasPrefix(window, faults.After("")):
		return strings.TrimRight(" "+window, " ")
	}
	return " during " + window
}

// gauge is the sample within the gate's scope that is furthest on the wrong side of the limit: every sample must hold. Of a
// counter it is by how much it rose. Samples at the times that skip names are left out; nil: none.
func (t *Tally) gauge(g *scenarios.Gate, skip func(at time.Duration) bool) metric.Reading {
	if g.Metric.Cumulative {
		return t.rise(g, skip)
	}
	over := t.plan.Over(g.Scope.Window)
	samples := t.Gauges[g.Metric.Name]
	var worst *float64
	for i := range samples {
		at := t.plan.WindowAt(time.Duration(samples[i].AtNS))
		if g.Scope.Window != "" && !slices.Contains(over, at) {
			continue
		}
		if skip != nil && skip(time.Duration(samples[i].AtNS)) {
			continue
		}
		if worst == nil || further(g, samples[i].Value, *worst) {
			worst = &samples[i].Value
		}
	}
	if worst == nil {
		return metric.Missing("no reading")
	}
	return metric.Found(*worst)
}

// firstReading is the latest time of a reading that shows what a counter was as the warm-up ended.
const firstReading = 50 * time.Millisecond

// rise is by how much a counter rose within the gate's scope, over all that have its name. A counter is read once a second: what it
// rose by in a second of which only a part lies within the scope may belong to it or not. What it rose by in the warm-up is left out.
func (t *Tally) rise(g *scenarios.Gate, skip func(at time.Duration) bool) metric.Reading {
	samples := t.Gauges[g.Metric.Name]
	warmup := t.Before[g.Metric.Name]
	var least, most float64
	before, from, found := warmup.Value, warmup.At, false
	for i := 0; i < len(samples); {
		at, now := time.Duration(samples[i].AtNS), 0.0
		for ; i < len(samples) && time.Duration(samples[i].AtNS) == at; i++ {
			now += samples[i].Value
		}
		if from < 0 && at <= firstReading {
			before, from = now, 0
			continue
		}
		wholly, partly := t.plan.share(g.Scope.Window, from, at)
		wholly = wholly && from >= 0
		found = found || partly
		if rose := now - before; skip == nil || !skip(at) {
			if wholly {
				least += rose
			}
			if partly {
				most += rose
			}
		}
		before, from = now, at
	}
	if !found {
		return metric.Missing("no reading")
	}
	return metric.Reading{Value: most, Targets: least}
}

// limitedIn reports whether the load generator was saturated in some second that the gate's scope touches.
func limitedIn(g *scenarios.Gate, run *reports.Run) bool {
	windows := run.WindowsOf(g.Stream)
	for _, s := range run.Streams[g.Stream].Seconds {
		if !s.Limited {
			continue
		}
		if g.Scope.Window == "" {
			return true
		}
		if touches(windows, g.Scope.Window, s.StartNS) {
			return true
		}
	}
	return false
}

// limitedUntil reports whether the load generator was saturated while events of a gate's window were still awaited: the reader
// of effects is part of the load generator.
func (f *Facts) limitedUntil(g *scenarios.Gate, run *reports.Run, awaited time.Duration) bool {
	from := int64(math.MaxInt64)
	for _, w := range run.WindowsOf(g.Stream) {
		if g.Scope.Window == "" || w.Covers(g.Scope.Window) {
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
