package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/faults"
	"wringer/reports/metric"
)

// Warnings are parts of the scenario that are valid but probably not intended. Parse found them.
func (s *Scenario) Warnings() []Problem { return slices.Clone(s.warnings) }

// warnings looks for missing gates, gates that can show little, and settings without effect.
func (r *reader) warnings(s *Scenario) Problems {
	var out Problems
	warn := func(line, col int, format string, args ...any) {
		out = append(out, Problem{File: r.file, Line: line, Col: col, Message: fmt.Sprintf(format, args...)})
	}
	if len(s.Expect) == 0 {
		warn(r.root.line, r.root.col, "expect holds no gate: no measurement can fail the run")
	}
	for i := range s.Traffic {
		t := &s.Traffic[i]
		if t.Consume != nil {
			if !slices.ContainsFunc(s.Expect, func(g Gate) bool { return g.Stream == t.Name && g.Metric.Class == metric.Integrity }) {
				warn(r.names[i].line, r.names[i].col, "%s: its records have no expectation: give consume an expect, or write a gate", t.Name)
			}
			continue
		}
		if !slices.ContainsFunc(s.Expect, func(g Gate) bool { return g.Stream == t.Name && g.Metric.Failures }) {
			warn(r.names[i].line, r.names[i].col, "%s: no gate on errors or within: its operations may fail unnoticed", t.Name)
		}
	}
	for _, g := range s.Expect {
		r.warnOfGate(&g, s, warn)
	}
	for _, name := range slices.Sorted(maps.Keys(r.vars.set)) {
		if !r.vars.used[name] {
			warn(0, 0, "--set %s has no effect: there is no ${%s} in the scenario", name, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.vars.secrets)) {
		if len(r.vars.secrets[name]) < shortestSecret {
			warn(0, 0, "${env.%s} is shorter than %d characters and is not hidden in records", name, shortestSecret)
		}
	}
	return out
}

// warnOfGate reports gates that look stronger than they are.
func (r *reader) warnOfGate(g *Gate, s *Scenario, warn func(line, col int, format string, args ...any)) {
	i := slices.IndexFunc(s.Traffic, func(t Stream) bool { return t.Name == g.Stream })
	t := &s.Traffic[i]
	closed := t.Users > 0 || t.Rate != nil && t.Rate.Max
	if closed && g.Metric.Class == metric.TimeOrRate && (g.Metric.Unit == metric.NS || g.Metric.Argument) {
		warn(g.Line, 1, "%s: users wait for answers, so a stall of the target delays the operations that would show the stall "+
			"(coordinated omission); gate a stream with a rate instead", g.Expr)
	}
	if phases := s.PhasesOver(g.Stream, g.Scope.Window); len(phases) > 0 {
		names := strings.Join(phases, " and ")
		warn(g.Line, 1, "%s: a part of the step %s belongs to the phase %s, and this gate is judged on the rest alone: move the phase, or add a gate during %s",
			g.Expr, g.Scope.Window, names, phases[0])
	}
	if g.Scope.Window == faults.Drain && g.Metric.Class != metric.Integrity && g.Metric.Class != metric.Gauge {
		warn(g.Line, 1, "%s: no operation is due in the drain, so the gate is inconclusive", g.Expr)
	}
}
