package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wringer/drivers"
	"wringer/reports/metric"
)

// Subject is what a gate's metric is of, beyond its stream: effect(ledger), link(orders->stock), step(read). The zero value is the
// stream itself.
type Subject struct{ Kind, Name string }

// cutSubject cuts a subject with its argument off the front of a gate's metric: effect(ledger).lost.
func cutSubject(text string) (s Subject, rest string, ok bool) {
	kind, after, found := strings.Cut(text, "(")
	if !found || !gaugeName.MatchString(kind) {
		return Subject{}, text, false
	}
	name, rest, found := strings.Cut(after, ").")
	if !found || strings.ContainsAny(name, "()") {
		return Subject{}, text, false
	}
	return Subject{kind, strings.TrimSpace(name)}, strings.TrimSpace(rest), true
}

// wholeSubject reads a subject with nothing behind it: code(timeout).
func (p *gateParser) wholeSubject(text string) (s Subject, ok bool) {
	s, rest, ok := cutSubject(text + ".")
	return s, ok && rest == "" && slices.Contains(p.catalogue.Subjects(), s.Kind)
}

// OfPart says that a gate is of one code, step or check of its stream's operations.
func (g *Gate) OfPart() bool {
	return slices.Contains([]string{metric.CodeSubject, metric.StepSubject, metric.CheckSubject}, g.Subject.Kind)
}

// ofPlace says that a gate is of one place of its stream's effects.
func (g *Gate) ofPlace() bool { return g.Subject.Kind != "" && !g.OfPart() }

// checkPart finds the code, the step or the check that a gate names. Of other gates it says nothing.
func (g *Gate) checkPart(l *Language, s *Stream) error {
	if s.Driver == nil { // its problems are known
		return nil
	}
	d := s.Describe()
	switch g.Subject.Kind {
	case metric.CodeSubject:
		return g.checkCode(l, s)
	case metric.StepSubject:
		return g.find(d.Steps, "step")
	case metric.CheckSubject:
		return g.find(d.CheckNames, "check with the name")
	}
	return nil
}

// find looks the subject's name up among those of the stream.
func (g *Gate) find(names []string, what string) error {
	if g.Index = slices.Index(names, g.Subject.Name); g.Index < 0 {
		g.Index = 0
		return fmt.Errorf("%s has no %s %s; %s", g.Stream, what, quote(g.Subject.Name), choices(g.Subject.Name, names))
	}
	return nil
}

// checkCode writes the code as the driver reports it. No failure has the code of an answer that means acked.
func (g *Gate) checkCode(l *Language, s *Stream) error {
	if strings.ToLower(g.Subject.Name) == drivers.CodeMessage {
		return fmt.Errorf("%s stands for what could not be sent: it counts as dropped by the load generator, and the run is no pass; gate on dropped", quote(g.Subject.Name))
	}
	code, err := l.code(s, g.Subject.Name)
	if err != nil {
		return err
	}
	d := s.Describe()
	g.Subject.Name = code
	acked := slices.Contains(s.Outcomes["acked"], code)
	if status, err := strconv.Atoi(strings.TrimPrefix(code, d.StatusPrefix)); err == nil {
		acked = acked || slices.ContainsFunc(d.Acks, func(s drivers.Statuses) bool { return s.Holds(status) })
	}
	if acked {
		return fmt.Errorf("an answer with the code %s is acked by %s, and code(NAME) counts attempts that failed: take it from what the stream accepts (ok, outcomes)", code, g.Stream)
	}
	return nil
}
