package scenarios

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"wringer/faults"
)

// plan reads the faults and plans them.
func (r *reader) plan(n *node, s *Scenario) {
	if n.kind != list {
		r.blurred = true
		r.problem(n, "faults: expects a list, found %s", n.words())
		return
	}
	if len(n.items) > MaxFaults {
		r.blurred = true
		r.problem(n, "faults: %d entries; the maximum is %d", len(n.items), MaxFaults)
		return
	}
	before := len(r.problems)
	for _, item := range n.items {
		if e, ok := r.entry(item); ok {
			s.entries = append(s.entries, e)
		}
	}
	for i := range s.entries {
		r.checkEntry(i, s)
	}
	sound := len(r.problems) == before
	for i := range s.entries {
		// An entry that waits for another can be placed in time only if nothing is wrong.
		if e := &s.entries[i]; sound || e.At != nil {
			r.checkEnd(e, s)
		}
	}
	if sound {
		r.checkCount(n, s)
	}
	if len(r.problems) == before {
		r.checkTogether(s)
	}
	if r.blurred = len(r.problems) > before; !r.blurred {
		s.Faults = expand(s.entries, s.Run.Duration, s.Seed)
	}
}

// entry reads one entry. The key that only its kind has decides the meaning of the other keys.
func (r *reader) entry(n *node) (e Entry, ok bool) {
	e.at = n
	if n.kind != table {
		r.problem(n, "faults: expects a table of keys, found %s", n.words())
		return e, false
	}
	if n.get("nemesis") != nil {
		r.table(n, title(n), reflect.ValueOf(&e).Elem(), nil)
		return e, true
	}
	if n.get("links") == nil {
		return e, r.kind(n, &e)
	}
	return e, r.several(n, &e)
}

// title is the name of an entry for messages.
func title(n *node) string {
	if at := n.get("name"); at != nil && at.kind == scalar {
		return at.text
	}
	return "fault"
}

// several reads an entry on several links as one entry for each link.
func (r *reader) several(n *node, e *Entry) bool {
	at := n.get("links")
	if at.kind != list || len(at.items) == 0 {
		r.problem(at, "links: expects a list of links, as in [orders, stock]")
		return false
	}
	if link := n.get("link"); link != nil {
		r.problem(link, "%s: has link and links; give one of them", title(n))
		return false
	}
	for _, item := range at.items {
		each := &node{kind: table, place: n.place, fields: slices.Clone(n.fields)}
		each.fields = append(each.fields, field{key: &node{text: "link", place: item.place}, value: item})
		if !r.kind(each, e) {
			return false
		}
	}
	return true
}

// kind reads an entry of one kind and adds its configuration to e.
func (r *reader) kind(n *node, e *Entry) bool {
	leads := sortedKeys(r.lang.Faults)
	var found []string
	for _, key := range leads {
		if n.get(key) != nil {
			found = append(found, key)
		}
	}
	lead, ok := r.lead(found)
	if !ok {
		r.problem(n, "faults: each entry takes exactly one key of %s, the thing to break, or nemesis", strings.Join(leads, ", "))
		return false
	}
	config := r.lang.Faults[lead]()
	before := len(r.problems)
	r.entryTable(n, e, config)
	if len(r.problems) == before {
		r.check(n, e.Name, config)
	}
	if len(r.problems) > before {
		r.unsound = append(r.unsound, placed{name: e.Name, node: n, config: config})
	}
	e.configs = append(e.configs, config)
	return true
}

// lead is the one of several keys whose kind has all the others. Of link and kafka it is kafka, which breaks a link's protocol.
func (r *reader) lead(found []string) (lead string, ok bool) {
	for _, key := range found {
		keys := keysOf(reflect.TypeOf(r.lang.Faults[key]()).Elem())
		if slices.ContainsFunc(found, func(other string) bool { return !slices.Contains(keys, other) }) {
			continue
		}
		if ok {
			return "", false
		}
		lead, ok = key, true
	}
	return lead, ok
}

// entryTable decodes the keys of every entry and those of its kind, which are keys of one table.
func (r *reader) entryTable(n *node, e *Entry, config faults.Config) {
	kindOf := reflect.ValueOf(config).Elem()
	own := &node{kind: table, place: n.place}
	elsewhere := open{}
	for _, key := range keysOf(kindOf.Type()) {
		if key == "every" && n.get("times") != nil {
			continue // of the schedule
		}
		elsewhere[key] = func(f field) { own.fields = append(own.fields, f) }
	}
	r.table(n, title(n), reflect.ValueOf(e).Elem(), elsewhere)
	r.late = config.Describe().Templated
	defer func() { r.late = false }()
	r.table(own, title(n), kindOf, nil)
}

// checkEntry checks entry i against the rest of the scenario.
func (r *reader) checkEntry(i int, s *Scenario) {
	e := &s.entries[i]
	n := e.at
	if at := n.get("name"); at != nil && !r.reportedAt(at) {
		switch {
		case !faultName.MatchString(e.Name):
			r.problem(at, "name: %s is no name of a fault: write letters, digits, - and _, at most 50", quote(e.Name))
		case slices.Contains(reserved, e.Name):
			r.problem(at, "name: %s is a word for the windows of every run; choose another", e.Name)
		case slices.ContainsFunc(s.entries[:i], func(o Entry) bool { return o.Name == e.Name }):
			r.problem(at, "name: two faults are named %s", e.Name)
		}
	}
	r.checkTime(e, s)
	r.checkRepeat(e)
	r.checkGrudge(e)
	if e.Nemesis != nil {
		r.checkNemesis(e, s)
	}
	for _, c := range e.configs {
		r.checkPlace(e.Name, c.On(), n, s)
		r.checkClients(e.Name, c, n, s)
		if many, ok := c.(faults.Reaching); ok {
			for _, part := range many.Reaches() {
				r.checkPlace(e.Name, faults.Place{Part: part}, n, s)
			}
		}
	}
}

// checkTime: an entry has one beginning and a length, unless a nemesis chooses them.
func (r *reader) checkTime(e *Entry, s *Scenario) {
	n := e.at
	by := slices.IndexFunc(s.entries, func(o Entry) bool { return o.Nemesis != nil && slices.Contains(o.Nemesis.Choose, e.Name) })
	timed := e.At != nil || e.After != ""
	switch {
	case by >= 0 && (timed || n.get("for") != nil || n.get("every") != nil && e.Every > 0):
		r.problem(n, "%s: the nemesis %s chooses its times; remove at, after, for and every, or remove its name from choose", e.Name, s.entries[by].Name)
	case by >= 0:
		return
	case !timed && n.get("at") == nil:
		r.problem(n, "%s: has no time: give at, or after, or let a nemesis choose it", title(n))
	case e.At != nil && e.After != "":
		r.problem(n.get("after"), "%s: has at and after; give one of them", e.Name)
	}
	if at := n.get("delay"); at != nil && e.After == "" {
		r.problem(at, "delay: works only with after")
	}
	if n.get("for") == nil {
		r.problem(n, "%s: the key for is missing", title(n))
	}
	r.moreThanNone(n.get("for"), "for", e.For == 0)
	if e.After != "" {
		r.checkAfter(e, s)
	}
}

// checkAfter: the fault for which the entry waits must come to an end.
func (r *reader) checkAfter(e *Entry, s *Scenario) {
	at := e.at.get("after")
	seen := []string{e.Name}
	for name := e.After; name != ""; {
		before := find(s.entries, name)
		switch {
		case before == nil:
			var names []string
			for _, o := range s.entries {
				names = append(names, o.Name)
			}
			r.problem(at, "after: there is no fault %s; %s", quote(name), choices(name, names))
			return
		case slices.Contains(seen, name):
			r.problem(at, "after: the faults wait for each other in a circle: %s", strings.Join(append(seen, name), ", "))
			return
		case before.At == nil && before.After == "":
			r.problem(at, "after: %s has no time of its own; name a fault with at or after", name)
			return
		case before.Every > 0 && before.Times == 0:
			r.problem(at, "after: %s is repeated until the run ends; give it times", name)
			return
		}
		seen = append(seen, name)
		name = before.After
	}
}

func (r *reader) checkRepeat(e *Entry) {
	n := e.at
	times, every := n.get("times"), n.get("every")
	atLeastOne(&r.decoder, times, "times", e.Times)
	switch {
	case times != nil && every == nil:
		r.problem(times, "times: works only with every, the time from one beginning to the next")
	case e.Every > 0 && e.Every < e.For:
		r.problem(every, "every: %s is shorter than the fault, %s: it would begin again before it has ended", e.Every, e.For)
	case times != nil:
		r.moreThanNone(every, "every", e.Every == 0)
	}
	if e.Nemesis != nil && (times != nil || every != nil) {
		r.problem(n, "%s: every and times of a nemesis belong inside nemesis", e.Name)
	}
}

func (r *reader) checkGrudge(e *Entry) {
	links, grudge := e.at.get("links"), e.at.get("grudge")
	if links == nil {
		if grudge != nil {
			r.problem(grudge, "grudge: works only with links: [a, b, c]")
		}
		return
	}
	for i, item := range links.items {
		if slices.ContainsFunc(links.items[:i], func(o *node) bool { return o.text == item.text }) {
			r.problem(item, "links: holds %s twice", quote(item.text))
		}
	}
	if len(links.items) < 2 && e.Grudge != "" && e.Grudge != GrudgeAll {
		r.problem(links, "links: %s needs two links or more", e.Grudge)
	}
	if e.Grudge == GrudgeRing && e.For > 0 && e.For/time.Duration(len(e.configs)) < leastTurn {
		r.problem(e.at, "%s: each link's turn in the ring is shorter than %s; make the fault longer", e.Name, leastTurn)
	}
}

// leastTurn bounds a turn in a ring from below: a shorter turn would be switching alone.
const leastTurn = 10 * time.Millisecond

func (r *reader) checkNemesis(e *Entry, s *Scenario) {
	at := e.at.get("nemesis")
	choose := at.get("choose")
	if choose != nil && len(e.Nemesis.Choose) == 0 {
		r.problem(choose, "choose: is empty: name faults that have no time of their own")
	}
	for i, name := range e.Nemesis.Choose {
		var names []string
		for _, o := range s.entries {
			if o.Nemesis == nil {
				names = append(names, o.Name)
			}
		}
		if !slices.Contains(names, name) {
			r.problem(choose.items[i], "choose: there is no fault %s that can be chosen; %s", quote(name), choices(name, names))
		}
		if slices.Contains(e.Nemesis.Choose[:i], name) {
			r.problem(choose.items[i], "choose: holds %s twice", name)
		}
	}
	if at.kind == table && e.For > 0 && e.Nemesis.For.From > e.For {
		r.problem(at.get("for"), "for: %s is longer than the nemesis lasts, %s: nothing would ever be injected", e.Nemesis.For.From, e.For)
	}
}

// checkEnd: every fault must be over when the run ends.
func (r *reader) checkEnd(e *Entry, s *Scenario) {
	start, ok := e.start(s.entries)
	if end := e.last(start); ok && s.Run.Duration > 0 && (end > s.Run.Duration || end < 0) {
		r.problem(e.at, "%s: ends at %s, after the run's %s; make the run longer or the fault shorter", title(e.at), end, s.Run.Duration)
	}
}

// checkCount bounds the number of injections of all entries.
func (r *reader) checkCount(n *node, s *Scenario) {
	total := 0
	for i := range s.entries {
		if total += s.entries[i].most(s.entries, s.Run.Duration); total > MaxRounds || total < 0 {
			r.problem(n, "faults: the schedule has more than %d injections; repeat less often", MaxRounds)
			return
		}
	}
}

// possible lists the names of the windows that the run has with some seed.
func (s *Scenario) possible() (names []string) {
	for _, e := range s.entries {
		if e.Nemesis == nil {
			continue
		}
		for _, name := range e.Nemesis.Choose {
			names = append(names, name, faults.After(name))
		}
	}
	return names
}

// String writes a range as a scenario does.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	return fmt.Sprintf("%s..%s", r.From, r.To)
}
