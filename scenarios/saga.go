package scenarios

import (
	"slices"

	"wringer/reports/metric"
)

// checkSaga checks that a saga names places of the stream, each in one part.
func (r *reader) checkSaga(n *node, s *Stream) {
	if n == nil || n.kind != table {
		return
	}
	names := s.placeNames()
	switch {
	case len(n.fields) == 0:
		r.problem(n, "saga: names no place; write {PLACE: PLACE OF ITS COMPENSATION}")
	case len(names) == 0:
		r.problem(n, "saga: the effects of %s have no names: write effects as a list of places, each with a name", s.Name)
		return
	}
	var parts []string
	for _, f := range n.fields {
		for _, at := range []*node{f.key, f.value} {
			switch {
			case at.kind != scalar:
			case !slices.Contains(names, at.text):
				r.problem(at, "saga: %s has no place %s; %s", s.Name, quote(at.text), choices(at.text, names))
			case slices.Contains(parts, at.text):
				r.problem(at, "saga: the place %s stands there twice; a place holds effects or the compensations of one other place", at.text)
			}
			parts = append(parts, at.text)
		}
	}
}

// sagaDated says that every place of the saga tells when its records came.
func (s *Stream) sagaDated() bool {
	for effect, compensation := range s.Saga {
		for _, name := range []string{effect, compensation} {
			if p := s.Place(name); p != nil && s.Lacks(p, metric.Dated) != "" {
				return false
			}
		}
	}
	return len(s.Saga) > 0
}
