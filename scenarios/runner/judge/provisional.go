package judge

import (
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// KnownLater is the reason of a gate that cannot be read while the run goes on.
const KnownLater = "known at the end"

// Provisional fills in the gates and the validity of the record of a run that goes on. A verdict of a gate is that of the operations
// so far: later ones may change it. It reads Scenario, Streams, Limited, CPU and Unrecorded.
func (f *Facts) Provisional(run *reports.Run) {
	run.Gates = make([]reports.Gate, 0, len(f.Scenario.Expect))
	for i := range f.Scenario.Expect {
		run.Gates = append(run.Gates, f.soFar(&f.Scenario.Expect[i], time.Duration(run.DurationNS)))
	}
	run.Validity = reports.Validity{Verdict: reports.Valid, Why: f.saturations(), CPU: f.CPU}
	f.lag(&run.Validity)
	if err := f.Unrecorded; err != nil {
		run.Validity.Why = append(run.Validity.Why, notWhole(err))
	}
	if len(run.Validity.Why) > 0 {
		run.Validity.Verdict = reports.Inconclusive
	}
}

// soFar judges a gate by the seconds that are complete. Counts of effects, recovery and counts that still grow are known later.
func (f *Facts) soFar(g *scenarios.Gate, now time.Duration) reports.Gate {
	s := f.stream(g.Stream)
	if s == nil || g.Subject.Kind != "" && !g.OfPart() {
		return decide(g, missing(KnownLater))
	}
	if w := s.Tally.worstOf(g); w != nil {
		return w.decide()
	}
	r := reading{limited: f.Limited[g.Stream] > 0}
	switch {
	case g.Metric.Class == metric.Gauge:
		r.Reading = s.Tally.gauge(g, nil)
	case !g.Metric.BySecond || g.Metric.Unit == metric.Count:
		r.Reading = metric.Missing(KnownLater)
	default:
		cell, length := &s.Tally.Total, now
		if window := g.Scope.Window; window != "" {
			over := s.Tally.plan.Over(window)
			cell, length = s.Tally.Over(over), s.Tally.plan.Length(over, now)
		}
		r.Reading = readCell(g, cell, length)
	}
	return decide(g, r)
}
