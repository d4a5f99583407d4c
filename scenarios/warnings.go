package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports/metric"
)

// Warnings are parts of the scenario that are valid but probably not intended. Parse found them.
func (s *Scenario) Warnings() []Problem { return slices.Clone(s.warnings) }

// warnings looks for missing gates, gates that can show little, and settings without effect.
func (r *reader) warnings(s *Scenario) Problems {
	var out Problems
	warn := func(at place, format string, args ...any) {
		out = append(out, at.problem(r.file, fmt.Sprintf(format, args...)))
	}
	if len(s.Expect) == 0 {
		warn(r.root.place, "expect holds no gate: no measurement can fail the run")
	}
	for i := range s.Traffic {
		t := &s.Traffic[i]
		for _, text := range t.configWarnings() {
			warn(r.names[i].place, "%s: %s", t.Name, text)
		}
		if t.Consume != nil {
			if !slices.ContainsFunc(s.Expect, func(g Gate) bool { return g.Stream == t.Name && g.Metric.Class == metric.Integrity }) {
				warn(r.names[i].place, "%s: its records have no expectation: give consume an expect, or write a gate", t.Name)
			}
			continue
		}
		if !slices.ContainsFunc(s.Expect, func(g Gate) bool { return g.Stream == t.Name && g.Metric.Failures }) {
			warn(r.names[i].place, "%s: no gate on errors or within: its operations may fail unnoticed", t.Name)
		}
	}
	for _, g := range s.Expect {
		r.warnOfGate(&g, s, warn)
	}
	for _, name := range slices.Sorted(maps.Keys(r.vars.set)) {
		if _, given := r.vars.given[name]; given && !r.vars.used[name] {
			warn(place{}, "--set %s has no effect: there is no ${%s} in the scenario", name, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.vars.secrets)) {
		if len(r.vars.secrets[name]) < shortestSecret {
			warn(place{}, "${env.%s} is shorter than %d characters and is not hidden in records", name, shortestSecret)
		}
	}
	return out
}

// configWarnings are what the stream's configurations warn of.
func (s *Stream) configWarnings() (all []string) {
	for _, part := range s.configs() {
		if w, ok := part.config.(drivers.Warner); ok {
			for _, text := range w.Warnings() {
				all = append(all, part.name+": "+text)
			}
		}
	}
	return all
}

// namedConfig is a configuration of a protocol, and its key.
type namedConfig struct {
	name   string
	config any
}

// configs are the configurations of a stream's protocols: those of the driver, of the effects, and of what it consumes.
func (s *Stream) configs() (all []namedConfig) {
	if s.Driver != nil {
		all = append(all, namedConfig{s.DriverName, s.Driver})
	}
	for i := range s.Places {
		if source := s.Places[i].Source; source != nil {
			all = append(all, namedConfig{"effects." + s.Places[i].Kind, source})
		}
	}
	if s.Consume != nil && s.Consume.Source != nil {
		all = append(all, namedConfig{"consume." + s.Consume.SourceName, s.Consume.Source})
	}
	return all
}

// warnOfGate reports gates that look stronger than they are.
func (r *reader) warnOfGate(g *Gate, s *Scenario, warn func(at place, format string, args ...any)) {
	t := s.Stream(g.Stream)
	if t == nil { // of a link: whichever stream
		t = &Stream{}
	}
	closed := t.Users > 0 || t.Rate != nil && t.Rate.Max
	if closed && g.Metric.Class == metric.TimeOrRate && (g.Metric.Unit == metric.NS || g.Metric.Argument) {
		warn(g.at, "%s: users wait for answers, so a stall of the target delays the operations that would show the stall "+
			"(coordinated omission); gate a stream with a rate instead", g.Expr)
	}
	if phases := s.PhasesOver(g.Stream, g.Scope.Window); len(phases) > 0 {
		names := strings.Join(phases, " and ")
		warn(g.at, "%s: a part of the step %s belongs to the phase %s, and this gate is judged on the rest alone: move the phase, or add a gate during %s",
			g.Expr, g.Scope.Window, names, phases[0])
	}
	if g.Scope.Window == faults.Drain && g.Metric.Class != metric.Integrity && g.Metric.Class != metric.Gauge {
		warn(g.at, "%s: no operation is due in the drain, so the gate is inconclusive", g.Expr)
	}
}
