package scenarios

import (
	"slices"

	"wringer/drivers"
)

// overheard is the link that a place reads by its witness; empty: it reads none.
func (p *Place) overheard() string {
	if o, ok := p.Source.(drivers.Overhearing); ok {
		return o.Overhears()
	}
	return ""
}

// ComparesOn says that some place compares what passes a link with what was sent.
func (s *Scenario) ComparesOn(link string) bool {
	return slices.ContainsFunc(s.Traffic, func(t Stream) bool {
		return slices.ContainsFunc(t.Places, func(p Place) bool { return p.overheard() == link && p.Describe().Matched })
	})
}

// checkOverheard checks the places that read a link by its witness.
func (r *reader) checkOverheard(s *Scenario) {
	var names []string
	for i := range s.Links {
		names = append(names, s.Links[i].Name)
	}
	for i := range s.Traffic {
		for j := range s.Traffic[i].Places {
			p := &s.Traffic[i].Places[j]
			if name := p.overheard(); name != "" {
				r.checkOverheardLink(p, name, s.Link(name), names)
			}
		}
	}
}

func (r *reader) checkOverheardLink(p *Place, name string, l *Link, names []string) {
	at := p.at.find("link")
	switch {
	case len(names) == 0:
		r.problem(at, "%s: link: the scenario has no links: lead the service to its broker over one, and name it here", p.Title())
	case l == nil:
		r.problem(at, "%s: link: there is no link %s; %s", p.Title(), quote(name), choices(name, names))
	case l.Protocol != nil:
		r.problem(at, "%s: link: %s leads to %s; read the topic itself: kafka: {topic: ...}", p.Title(), name, l.ProtocolName)
	case l.Witness.ID == "":
		r.problem(at, "%s: link: the witness of %s tells no identities: give the link witness: {id: $.orderId}, the place where a message carries {{id}}", p.Title(), name)
	case len(l.Witness.Methods) > 0 && !slices.Contains(l.Witness.Methods, "publish"):
		r.problem(at, "%s: link: witness.methods of %s leaves publish out, which carries the identity", p.Title(), name)
	}
}
