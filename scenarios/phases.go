package scenarios

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// Phase is a span of the run with a name. Its window holds what no fault takes: a gate `during PHASE` is judged on it.
type Phase struct {
	Name string        `yaml:"-"`
	At   time.Duration `yaml:"at" jsonschema:"required" jsonschema_description:"When it begins, from the end of the warm-up."`
	For  time.Duration `yaml:"for" jsonschema:"required" jsonschema_description:"How long it lasts. It must end within the run."`
}

// End is when the phase is over.
func (p *Phase) End() time.Duration { return p.At + p.For }

// MaxPhases bounds `phases`.
const MaxPhases = 64

// Spans are what the windows of a stream are made of, for faults.Windows: the planned intervals of the faults, the phases, and
// the named steps of the stream. A stream that looks for the operations of another one has the steps of that one. An empty
// name stands for what all streams have in common.
func (s *Scenario) Spans(stream string) []faults.Span {
	var out []faults.Span
	for i := range s.Faults {
		out = append(out, faults.Span{Name: s.Faults[i].Name, Start: s.Faults[i].At, End: s.Faults[i].End()})
	}
	for i := range s.Phases {
		p := &s.Phases[i]
		out = append(out, faults.Span{Name: p.Name, Start: p.At, End: p.End(), Kind: faults.PhaseSpan})
	}
	return append(out, s.steps(stream)...)
}

// steps are the spans of the named steps of a stream.
func (s *Scenario) steps(stream string) (out []faults.Span) {
	t := s.Stream(s.stepsOf(stream))
	if t == nil || t.Rate == nil {
		return nil
	}
	var at time.Duration
	for i, step := range t.Rate.Steps {
		span := faults.Span{Name: step.Name, Start: at, End: at + step.For, Kind: faults.StepSpan}
		if at = span.End; i == len(t.Rate.Steps)-1 {
			span.End = s.Run.Duration // the last one stays
		}
		if step.Name != "" {
			out = append(out, span)
		}
	}
	return out
}

// isFault says whether a fault of that name stands in the scenario.
func (s *Scenario) isFault(name string) bool { return find(s.entries, name) != nil }

// isPhase says whether a phase has that name.
func (s *Scenario) isPhase(name string) bool {
	return slices.ContainsFunc(s.Phases, func(p Phase) bool { return p.Name == name })
}

// stepOf names a stream that has a step of that name; empty when none has.
func (s *Scenario) stepOf(name string) string {
	for i := range s.Traffic {
		if rate := s.Traffic[i].Rate; rate != nil && slices.ContainsFunc(rate.Steps, func(step Step) bool { return step.Name == name }) {
			return s.Traffic[i].Name
		}
	}
	return ""
}

// phases reads the phases, in the order of the file. The faults were read before: their names are taken.
func (r *reader) phases(n *node, s *Scenario) {
	switch {
	case n.kind != table:
		r.blurred = true
		r.problem(n, "phases: expects a table of phases by name, as in peak: {at: 20s, for: 10s}, found %s", n.words())
		return
	case len(n.fields) == 0:
		r.problem(n, "phases: holds no phase; leave it out, or name one, as in peak: {at: 20s, for: 10s}")
	case len(n.fields) > MaxPhases:
		r.blurred = true
		r.problem(n, "phases: %d phases; the maximum is %d", len(n.fields), MaxPhases)
		return
	}
	before := len(r.problems)
	for _, f := range n.fields {
		p := Phase{Name: f.key.text}
		if r.windowName(f.key, p.Name, "phase", s) {
			r.table(f.value, p.Name, reflect.ValueOf(&p).Elem(), nil)
			r.checkPhase(f.value, &p, s)
		}
		s.Phases = append(s.Phases, p)
	}
	r.blurred = r.blurred || len(r.problems) > before
}

// checkPhase checks when a phase is, also beside those that were read before.
func (r *reader) checkPhase(n *node, p *Phase, s *Scenario) {
	if n.kind != table {
		return
	}
	for _, key := range []string{"at", "for"} {
		if at := n.get(key); at != nil && r.reportedAt(at) {
			return // what the phase overlaps is not known
		}
	}
	r.moreThanNone(n.get("for"), "for", p.For == 0)
	if end := p.End(); s.Run.Duration > 0 && end > s.Run.Duration && !r.reportedAt(n) {
		r.problem(n, "%s: ends at %s, after the run's %s; make the run longer or the phase shorter", p.Name, end, s.Run.Duration)
	}
	for i := range s.Phases {
		if o := &s.Phases[i]; p.At < o.End() && o.At < p.End() {
			r.problem(n, "%s: overlaps the phase %s (%s to %s); a time belongs to one phase: move one of the two, or make it shorter", p.Name, o.Name, o.At, o.End())
		}
	}
}

// windowName checks the name of a phase or a step, which gates use as the name of its window.
func (r *reader) windowName(at *node, name, kind string, s *Scenario) bool {
	switch {
	case !faultName.MatchString(name):
		r.problem(at, "%s is no name of a %s: write letters, digits, - and _, at most 50", quote(name), kind)
	case slices.Contains(reserved, name):
		r.problem(at, "%s %s: this is a word for the windows of every run; choose another name", kind, name)
	case s.isFault(name):
		r.problem(at, "%s %s: a fault has this name, and its window too; choose another name", kind, name)
	case s.isPhase(name):
		r.problem(at, "%s %s: a phase has this name already; choose another name", kind, name)
	default:
		return true
	}
	return false
}

// stepNames checks the names of the steps of every rate. The faults and the phases were read before.
func (r *reader) stepNames(s *Scenario) {
	for i := range s.Traffic {
		t := &s.Traffic[i]
		rate := r.streams[i].get("rate")
		if rate == nil || t.Rate == nil || rate.get("steps") == nil {
			continue
		}
		items := rate.get("steps").items
		if len(items) != len(t.Rate.Steps) {
			continue
		}
		before := len(r.problems)
		var start time.Duration
		for j, step := range t.Rate.Steps {
			if at := items[j].get("name"); at != nil && !r.reportedAt(at) && r.windowName(at, step.Name, "step", s) {
				r.checkStep(at, t, j, start, s)
			}
			start += step.For
		}
		r.blurred = r.blurred || len(r.problems) > before
	}
}

// checkStep: a name stands for one step of the stream, which begins within the run.
func (r *reader) checkStep(at *node, t *Stream, i int, start time.Duration, s *Scenario) {
	step := &t.Rate.Steps[i]
	if slices.ContainsFunc(t.Rate.Steps[:i], func(o Step) bool { return o.Name == step.Name }) {
		r.problem(at, "step %s: a step of %s has this name already; choose another name", step.Name, t.Name)
	}
	if s.Run.Duration > 0 && start >= s.Run.Duration {
		r.problem(at, "step %s: begins at %s, and the run ends at %s; make the run longer or the steps before it shorter", step.Name, start, s.Run.Duration)
	}
}

// stepsOf is the stream whose steps are windows of a stream: its own, or those of the stream that it looks for.
func (s *Scenario) stepsOf(stream string) string {
	if t := s.Stream(stream); t != nil && t.Consume != nil {
		return t.Consume.Of
	}
	return stream
}

// windowsOf lists the windows that a gate of a stream may name: those of the plan, the bases that hold them, and what another
// seed may give the run.
func (s *Scenario) windowsOf(stream string) []string {
	names := s.possible()
	spans := s.Spans(stream)
	if len(names) > 0 { // where this seed's faults hide a phase or a step, those of another may not
		for _, span := range spans {
			names = append(names, span.Name)
		}
	}
	for _, w := range faults.Windows(spans, s.Run.Duration) {
		names = append(names, w.Name)
		if w.Base != "" {
			names = append(names, w.Base)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// PhasesOver lists the phases that take a part of a named step of a stream; the rest of the step has the step's window. It is
// nil for windows that are no step.
func (s *Scenario) PhasesOver(stream, window string) (phases []string) {
	for _, step := range s.steps(stream) {
		for i := range s.Phases {
			if p := &s.Phases[i]; step.Name == window && p.At < step.End && step.Start < p.End() {
				phases = append(phases, p.Name)
			}
		}
	}
	return phases
}

// takenBy says which faults and phases hold the time of a phase or a step, as in ": its time belongs to peak"; "" if none does.
func (s *Scenario) takenBy(stream, window string) string {
	spans := s.Spans(stream)
	at := slices.IndexFunc(spans, func(span faults.Span) bool { return span.Kind != faults.FaultSpan && span.Name == window })
	if at < 0 {
		return ""
	}
	var names []string
	for _, span := range spans {
		if span.Kind < spans[at].Kind && span.Start < spans[at].End && spans[at].Start < span.End && !slices.Contains(names, span.Name) {
			names = append(names, span.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": its time belongs to " + strings.Join(names, ", ")
}
