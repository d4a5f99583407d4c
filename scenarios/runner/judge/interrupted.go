package judge

import (
	"fmt"
	"math"
	"slices"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// interrupted leaves a gate of an interrupted run open that only the interrupt decided: the operations that it ended had
// unknown fates, counts and rates over the run's length say nothing, and a recovery may have come later. A gate that is violated
// without these operations too stays violated. Integrity stands by its own evidence.
func (f *Facts) interrupted(g *scenarios.Gate, run *reports.Run, gate reports.Gate) reports.Gate {
	if !f.Ending.Interrupted || gate.Verdict == reports.Inconclusive || g.Metric.Class == metric.Integrity {
		return gate
	}
	open := func(why string) reports.Gate {
		gate.Verdict = reports.Inconclusive
		gate.Why += "; " + why
		return gate
	}
	if gate.Verdict == reports.Fail && f.cutShort(g, gate) {
		return open("the run was interrupted")
	}
	again, ended := f.withoutInterrupted(g, run)
	if ended == 0 || again.Verdict == gate.Verdict {
		return gate
	}
	return open(fmt.Sprintf("decided only by operations that the interrupt ended (%s)", reports.Count(int64(ended))))
}

// cutShort says that a gate is violated by what an interrupted run did not come to.
func (f *Facts) cutShort(g *scenarios.Gate, gate reports.Gate) bool {
	switch m := g.Metric; {
	case m.Class == metric.Recovery:
		return gate.Observed == nil || math.IsInf(*gate.Observed, 1)
	case m.Unit == metric.Count, m.Cumulative:
		return g.Comparison != "<" && g.Comparison != "<="
	case m.Unit == metric.PerSecond:
		return !g.Scope.EverySecond
	}
	return false
}

// withoutInterrupted judges a gate without the operations that the interrupt ended, and counts them. Those that a fault overtook
// before they had waited long are left out too.
func (f *Facts) withoutInterrupted(g *scenarios.Gate, run *reports.Run) (gate reports.Gate, ended int) {
	s := f.stream(g.Stream)
	over := s.over(run, g.Scope.Window)
	if over.cell == nil {
		return gate, 0
	}
	gone := slices.Clone(over.cell.Interrupted)
	ended = len(gone)
	if w := s.Tally.worstOf(g); w != nil {
		if w.uninterrupted == nil {
			return gate, 0
		}
		return w.uninterrupted.decide(), ended
	}
	if g.Scope.Window != "" {
		all := f.overtakings()
		found := all.overtaken(over.cell)
		for _, e := range found.spared() {
			if !slices.ContainsFunc(gone, func(o *reports.Ended) bool { return o.Op.Seq == e.Op.Seq }) {
				gone = append(gone, e)
			}
		}
	}
	over.cell = over.cell.Without(gone)
	return decide(g, f.readOver(g, run, over)), ended
}
