package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/reports/metric"
)

// Abort is a condition that ends a run early: an inverted gate that is true for a number of seconds in a row.
type Abort struct {
	// Gate is the condition; it has no scope.
	Gate Gate
	// Seconds in a row, 1 or more.
	Seconds int
}

const abortForm = "write STREAM.METRIC COMPARISON VALUE [for TIME], as in orders.errors > 50% for 5s"

// longestAbort bounds the time for which a condition must hold.
const longestAbort = time.Hour

// abort reads one condition or a list of them.
func (r *reader) abort(n *node, s *Scenario) {
	items := []*node{n}
	if n.kind == list {
		items = n.items
	}
	for _, item := range items {
		text, _, ok := r.text(item, "abort", "a condition such as orders.errors > 50% for 5s")
		if !ok {
			continue
		}
		a, err := parseAbort(text, r.catalogue)
		if err != nil {
			r.problem(item, "abort %s: %v", quote(text), err)
			continue
		}
		if i := slices.IndexFunc(s.Traffic, func(t Stream) bool { return t.Name == a.Gate.Stream }); i < 0 {
			r.problem(item, "abort %s: there is no stream %s", quote(text), quote(a.Gate.Stream))
			continue
		}
		if c := s.Stream(a.Gate.Stream).Consume; c != nil {
			r.problem(item, "abort %s: %s sends nothing; choose a stream that sends", quote(text), a.Gate.Stream)
			continue
		}
		if err := r.abortable(&a, s); err != nil {
			r.problem(item, "abort %s: %v", quote(text), err)
			continue
		}
		s.Abort = append(s.Abort, a)
	}
}

// abortable refuses a condition that its stream cannot measure, of those on a part of a stream.
func (r *reader) abortable(a *Abort, s *Scenario) error {
	if a.Gate.Subject.Kind == "" {
		return nil
	}
	stream := s.Stream(a.Gate.Stream)
	if why := stream.unmeasured(a.Gate.Metric, s); why != "" {
		return fmt.Errorf("%s cannot be measured: %s", a.Gate.Metric.Full(), why)
	}
	return a.Gate.checkPart(&r.lang, stream)
}

func parseAbort(text string, catalogue *metric.Catalogue) (Abort, error) {
	a := Abort{Seconds: 1}
	gate, length, long := strings.Cut(text, " for ")
	if long {
		d, err := parseDuration(joined(length))
		switch {
		case err != nil:
			return a, fmt.Errorf("for: %w; %s", err, abortForm)
		case d < time.Second || d > longestAbort:
			return a, fmt.Errorf("for: %s is not between 1s and %s: the condition is checked once a second", d, longestAbort)
		}
		a.Seconds = int((d + time.Second - 1) / time.Second)
	}
	g := Gate{Expr: strings.TrimSpace(gate)}
	p := gateParser{catalogue: catalogue, gauges: noGauges}
	if err := p.read(&g); err != nil {
		return a, fmt.Errorf("gate %s: %w", quote(g.Expr), err)
	}
	if g.Saved != nil {
		return a, fmt.Errorf("is no gate: a condition takes a limit of its own, not that of a saved run; %s", abortForm)
	}
	if g.Scope != (Scope{}) {
		return a, fmt.Errorf("takes no scope; %s", abortForm)
	}
	if !g.Metric.BySecond {
		return a, fmt.Errorf("%s is not measured for each second: use a share, a time or a rate", g.Metric.Full())
	}
	switch {
	case g.never():
		return a, fmt.Errorf("can never be true, and so aborts nothing: %s; %s", g.bounds(), abortForm)
	case g.always():
		return a, fmt.Errorf("is always true, and would abort every run: %s; %s", g.bounds(), abortForm)
	}
	a.Gate = g
	a.Gate.Expr = strings.TrimSpace(text)
	return a, nil
}
