package scenarios

import (
	"time"

	"wringer/faults"
)

// presence is a time in which an entry may have a fault in force.
type presence struct {
	entry      *Entry
	config     faults.Exclusive
	start, end time.Duration
}

// presences are those of the entry's faults that exclude others. A fault that a nemesis may choose can be in force at any time
// of the nemesis.
func (e *Entry) presences(entries []Entry, duration time.Duration) (all []presence) {
	start, ok := e.start(entries)
	add := func(configs []faults.Config, start, end time.Duration) {
		for _, c := range configs {
			if c, exclusive := c.(faults.Exclusive); exclusive {
				all = append(all, presence{e, c, start, end})
			}
		}
	}
	switch {
	case e.Nemesis != nil:
		for _, name := range e.Nemesis.Choose {
			add(find(entries, name).configs, start, start+e.For)
		}
	case ok:
		for round := range e.rounds(start, duration) {
			from := start + time.Duration(round)*e.Every
			add(e.configs, from, from+e.For)
		}
	}
	return all
}

// checkTogether: faults that exclude each other are never in force at the same time, with any seed.
func (r *reader) checkTogether(s *Scenario) {
	var before []presence
	for i := range s.entries {
		e := &s.entries[i]
		own := e.presences(s.entries, s.Run.Duration)
		if other := clash(own, before); other != nil {
			r.problem(e.at, "%s: may overlap with %s, and healing one would also heal the other; run one after the other (after: %s)", e.Name, other.Name, other.Name)
		}
		before = append(before, own...)
	}
}

// clash returns the earlier entry that one of own excludes at the same time; nil without any.
func clash(own, before []presence) *Entry {
	for _, p := range own {
		for _, b := range before {
			if p.start < b.end && b.start < p.end && p.config.Excludes(b.config) {
				return b.entry
			}
		}
	}
	return nil
}
