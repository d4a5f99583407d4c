package scenarios

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"wringer/drivers"
	"wringer/reports/metric"
)

// Place is one place where the operations of a stream must show up.
type Place struct {
	// Name is that of an entry of a list; empty: it is the only place, and has none.
	Name string
	// Kind is the key under which the file has Source: kafka.
	Kind   string
	Source drivers.SourceConfig // nil: it has problems

	at *node // of Source in the file
}

// MaxPlaces bounds the places of one stream.
const MaxPlaces = 16

// Title names the place in messages.
func (p *Place) Title() string {
	if p.Name == "" {
		return "effects." + p.Kind
	}
	return "effects." + p.Name + "." + p.Kind
}

// Describe is the source's description; the zero value while there is no source.
func (p *Place) Describe() drivers.SourceDescription { return DescribeSource(p.Source) }

// effects reads one place, or a list of places with names.
func (r *reader) effects(n *node, s *Stream) {
	if n.kind != list {
		if f, ok := r.one(n, "effects", sortedKeys(r.lang.Effects)); ok {
			r.place(f, s, "")
		}
		return
	}
	switch {
	case len(n.items) == 0:
		r.problem(n, "effects: holds no place")
	case len(n.items) > MaxPlaces:
		r.problem(n, "effects: %d places; the maximum is %d", len(n.items), MaxPlaces)
		return
	}
	for _, item := range n.items {
		r.namedPlace(item, s)
	}
}

// namedPlace reads {name: ledger, kafka: {...}}.
func (r *reader) namedPlace(n *node, s *Stream) {
	if n.kind != table {
		r.problem(n, "effects: expects a table such as {name: ledger, %s: {...}}, found %s", sortedKeys(r.lang.Effects)[0], n.words())
		return
	}
	at := n.get("name")
	if at == nil {
		r.problem(n, "effects: a place of a list needs a name: gates call it effect(NAME)")
		return
	}
	name, _, ok := r.text(at, "name", "a name")
	switch {
	case !ok:
		return
	case !streamName.MatchString(name):
		r.problem(at, "effects: %s is no name of a place: write small letters, digits, - and _, a letter first, at most 50", quote(name))
		return
	case slices.ContainsFunc(s.Places, func(p Place) bool { return p.Name == name }):
		r.problem(at, "effects: two places are named %s", name)
		return
	}
	rest := *n
	rest.fields = slices.DeleteFunc(slices.Clone(n.fields), func(f field) bool { return f.key.text == "name" })
	if f, ok := r.one(&rest, "effects."+name, sortedKeys(r.lang.Effects)); ok {
		r.place(f, s, name)
	}
}

func (r *reader) place(f field, s *Stream, name string) {
	config := r.lang.Effects[f.key.text]()
	p := Place{Name: name, Kind: f.key.text, at: f.value}
	r.lateTexts(func() {
		if r.config(f.value, p.Title(), config) {
			p.Source = config
		}
	})
	s.Places = append(s.Places, p)
}

// Place returns the place of that name, nil when there is none.
func (s *Stream) Place(name string) *Place {
	for i := range s.Places {
		if s.Places[i].Name == name && name != "" {
			return &s.Places[i]
		}
	}
	return nil
}

// ListenerOf is the name by which the target knows a place that it calls, ${effects.NAME}: the place's, or that of its stream if it
// has none.
func (s *Stream) ListenerOf(p *Place) string { return cmp.Or(p.Name, s.Name) }

// placeNames lists the names of the stream's places.
func (s *Stream) placeNames() (names []string) {
	for i := range s.Places {
		if s.Places[i].Name != "" {
			names = append(names, s.Places[i].Name)
		}
	}
	return names
}

// Compensates says that the place holds compensations: an operation need not show up there.
func (s *Stream) Compensates(place string) bool {
	return place != "" && slices.Contains(slices.Collect(maps.Values(s.Saga)), place)
}

// Due lists the places where every operation must show up.
func (s *Stream) Due() (places []*Place) {
	for i := range s.Places {
		if !s.Compensates(s.Places[i].Name) {
			places = append(places, &s.Places[i])
		}
	}
	return places
}

// Lacks is the reason why a place of the stream cannot show what a metric needs; empty when it can. A place that could not be
// read shows everything: one problem is enough.
func (s *Stream) Lacks(p *Place, need metric.PlaceNeed) string {
	if p.Source == nil {
		return ""
	}
	d := p.Describe()
	switch need {
	case metric.Due:
		if s.Compensates(p.Name) {
			return "it holds compensations, and an operation need not have one"
		}
	case metric.Dated:
		return d.Cannot.Times
	case metric.Ordered:
		return d.Cannot.Order
	case metric.Repeating:
		return d.Cannot.Redelivery
	case metric.Matched:
		if !d.Matched {
			return "nothing is compared: give it match, as in match: {amount: \"{{data.amount}}\"}"
		}
	}
	return ""
}

// unshown is the reason why the places of the stream together do not show what a metric needs; empty when they do. One place that
// compares is enough to find a corrupt effect, and one that every operation must reach to find it lost. What else one place cannot
// tell is not known of all.
func (s *Stream) unshown(need metric.PlaceNeed) string {
	one, places := need == metric.Matched || need == metric.Due, s.all()
	if need == metric.Dated {
		places = s.Due()
	}
	if len(places) == 0 && need == metric.Matched {
		return "the stream has no effects whose fields are compared with what was sent"
	}
	first := ""
	for _, p := range places {
		why := s.Lacks(p, need)
		if one && why == "" {
			return ""
		}
		if why != "" && p.Name != "" {
			why = fmt.Sprintf("in %s: %s (a gate on %s.effect(NAME) looks at one place)", p.Name, why, s.Name)
		}
		first = cmp.Or(first, why)
	}
	return first
}

func (s *Stream) all() (places []*Place) {
	for i := range s.Places {
		places = append(places, &s.Places[i])
	}
	return places
}

// checkPlaceGate checks a gate on a place of the effects: the place must exist and show what the metric needs.
func (r *reader) checkPlaceGate(n *node, g *Gate, s *Stream) bool {
	names := s.placeNames()
	p := s.Place(g.Subject.Name)
	switch {
	case len(names) == 0:
		r.problem(n, "gate %s: the effects of %s have no names: write effects as a list of places, each with a name", quote(g.Expr), s.Name)
	case p == nil:
		r.problem(n, "gate %s: %s has no place %s; %s", quote(g.Expr), s.Name, quote(g.Subject.Name), choices(g.Subject.Name, names))
	default:
		if why := s.Lacks(p, g.Metric.Needs.Place); why != "" {
			r.problem(n, "gate %s: %s cannot be measured in %s: %s", quote(g.Expr), g.Metric.Name, p.Name, why)
			return false
		}
		return true
	}
	return false
}

// listenerPrefix begins the variables of places that the target calls: ${effects.NAME}.
const listenerPrefix = "effects."

// listenerNames makes the addresses of the places that the target calls known to all other parts: they are chosen before the target
// starts. Two of one name are a problem.
func (r *reader) listenerNames(n *node) {
	if n == nil || n.kind != table {
		return
	}
	known := make(map[string]bool)
	add := func(at *node, name string, place *node) {
		for _, f := range place.fields {
			open := r.lang.Effects[f.key.text]
			if open == nil {
				continue
			}
			if _, ok := open().(drivers.Listening); !ok {
				continue
			}
			if known[name] {
				r.problem(at, "effects: two places that the target calls are named %s: give one another name, by which ${effects.NAME} means it", name)
			}
			known[name] = true
			r.vars.late = append(r.vars.late, listenerPrefix+name)
		}
	}
	for _, stream := range n.fields {
		effects := stream.value.get("effects")
		switch {
		case effects == nil:
		case effects.kind == list:
			for _, item := range effects.items {
				if name := item.get("name"); name != nil && name.kind == scalar {
					add(name, name.text, item)
				}
			}
		default:
			add(stream.key, stream.key.text, effects)
		}
	}
}

// called says that some place is one that the target calls.
func (s *Scenario) called() bool {
	for i := range s.Traffic {
		for _, p := range s.Traffic[i].Places {
			if _, ok := p.Source.(drivers.Listening); ok {
				return true
			}
		}
	}
	return false
}
