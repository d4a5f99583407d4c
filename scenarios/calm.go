package scenarios

import (
	"wringer/faults"
	"wringer/reports/metric"
)

// Calm is the scenario with its traffic alone: without faults and phases, and without the gates that need one.
func (s *Scenario) Calm() *Scenario {
	out := *s
	out.Faults, out.Phases, out.entries, out.Expect = nil, nil, nil, nil
	for _, g := range s.Expect {
		named := g.Scope.Window != "" && g.Scope.Window != faults.Baseline
		if named || g.Metric.Class == metric.Recovery || g.Metric.At != metric.InScope || g.Subject.Kind == LinkSubject {
			continue
		}
		out.Expect = append(out.Expect, g)
	}
	return &out
}
