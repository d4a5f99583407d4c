package judge

import (
	"math"
	"slices"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// Hopeless names a gate that is certain to fail, whatever the rest of the run brings; empty: there is none. The rest is taken for the
// best that it can be: every operation that is still planned is acked at once. A stream in which the load generator was saturated,
// and one whose number of operations is not known beforehand, is left alone.
func Hopeless(sc *scenarios.Scenario, streams []SoFar) string {
	for i := range streams {
		s := &streams[i]
		planned, known := plannedOf(s.Spec.Rate, sc.Run.Duration)
		if !known || s.Limited || s.All.Messages != nil { // the messages to come cannot be told
			continue
		}
		var best *metrics.Cell
		for j := range sc.Expect {
			g := &sc.Expect[j]
			if g.Stream != s.Spec.Name || g.Subject.Kind != "" || !s.decidesEarly(g) {
				continue
			}
			if best == nil {
				best = hopeful(s.All, planned)
			}
			if s.lost(g, best) {
				return EndedEarly + ": " + g.Expr + " could not hold any more"
			}
		}
	}
	return ""
}

// lost says whether a gate fails over the best that can become of the run.
func (s *SoFar) lost(g *scenarios.Gate, best *metrics.Cell) bool {
	if g.Scope.EverySecond {
		w := s.Tally.calmSoFar(g, s.MayBeBusy)
		return w != nil && w.decide().Verdict == reports.Fail
	}
	return decide(g, reading{Reading: readCell(g, best, time.Second)}).Verdict == reports.Fail
}

// decidesEarly says whether good operations to come can only help a gate: it is over the whole run, on a time or a share, and asks for
// the better side of its limit.
func (s *SoFar) decidesEarly(g *scenarios.Gate) bool {
	m := g.Metric
	entire := g.Scope.Window == "" || slices.Equal(s.Tally.plan.Over(g.Scope.Window), s.Tally.plan.measured())
	switch {
	case !m.BySecond || m.Unit == metric.Count || m.Unit == metric.PerSecond || m.Class != metric.TimeOrRate && m.Class != metric.Outcome:
		return false
	case !entire:
		return false
	case m.Better == metric.Lower:
		return g.Comparison == "<" || g.Comparison == "<="
	case m.Better == metric.Higher:
		return g.Comparison == ">" || g.Comparison == ">="
	}
	return false
}

// plannedOf is the most operations that a rate plans for that long. Arrivals of a Poisson process are more than six standard deviations
// above their mean once in a thousand million runs.
func plannedOf(rate *scenarios.Rate, d time.Duration) (n int64, known bool) {
	switch {
	case rate == nil:
		return 0, false
	case rate.Constant > 0:
		return int64(math.Ceil(rate.Constant*d.Seconds())) + 1, true
	case rate.Poisson > 0:
		mean := rate.Poisson * d.Seconds()
		return int64(math.Ceil(mean+6*math.Sqrt(mean))) + 1, true
	}
	return 0, false
}

// hopeful is what a run of so many operations measures at best, given those that have ended.
func hopeful(ended *metrics.Cell, planned int64) *metrics.Cell {
	rest := max(planned-ended.Offered, 0)
	best := (&metrics.Cell{Counts: reports.Counts{Offered: rest}}).Excused()
	best.Merge(ended)
	return best
}
