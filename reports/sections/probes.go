package sections

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// witness counts the requests that arrived at the target, beside the attempts that were sent.
func (b *builder) witness() Section {
	if b.stream.Total.Witness == nil {
		return Section{}
	}
	names := reports.WitnessNames()
	s := Section{Name: NameWitness, Title: "what arrived at the target", Rank: Usual, Head: columns(Vital, names...)}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		return b.counts(names, m.Witness != nil, m.Witness.Count)
	})
}

// counts makes the cells of counts. A count that is absent is not known if the others were measured.
func (b *builder) counts(names []string, measured bool, of func(string) *int64) []Cell {
	absent := reports.NotMeasured
	if measured {
		absent = reports.NotKnown
	}
	var cells []Cell
	for _, name := range names {
		c := counted(of(name), absent)
		if b.run.Anomalous(name) {
			c = c.badAboveZero()
		}
		cells = append(cells, b.proved(c, name))
	}
	return cells
}

// replays counts the answers to operations that were sent again with their key.
func (b *builder) replays() Section {
	if b.stream.Total.Replays == nil {
		return Section{}
	}
	s := Section{Name: NameReplays, Title: "replays: operations sent again with their key", Rank: Full, Head: []Column{
		{Name: "replayed", Kind: Count}, {Name: "honoured", Kind: Count}, {Name: "violations", Kind: Count}, {Name: "deviations", Kind: Count},
		{Name: "undecided", Kind: Count}, {Name: "skipped", Kind: Count}, {Name: "by kind"},
	}}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		r := m.Replays
		if r == nil {
			r = &reports.Replays{}
		}
		violations := b.proved(unwanted(r.Violations), "replay_violations")
		return []Cell{count(r.Sent), count(r.Honoured), violations, count(r.Deviations), count(r.Undecided), count(r.Skipped), kinds(r.Kinds)}
	})
}

// kinds counts the answers to each kind of replay.
func kinds(all map[string]reports.ReplayCounts) Cell {
	c := Cell{}
	for _, kind := range slices.Sorted(maps.Keys(all)) {
		k := all[kind]
		parts := []string{reports.Count(k.Honoured) + " of " + reports.Count(k.Sent) + " honoured"}
		for _, p := range []struct {
			n    int64
			what string
		}{{k.Violations, "violations"}, {k.Deviations, "deviations"}, {k.Undecided, "undecided"}} {
			if p.n > 0 {
				parts = append(parts, reports.Count(p.n)+" "+p.what)
			}
		}
		c.Notes = append(c.Notes, kind+": "+strings.Join(parts, ", "))
	}
	if len(c.Notes) == 0 {
		c.Text = "none"
	}
	return c
}

// group counts the records of a topic that a group of consumers processed, repeated or lost.
func (b *builder) group() Section {
	if b.stream.Total.Group == nil {
		return Section{}
	}
	names := reports.GroupNames()
	s := Section{Name: NameGroup, Title: "the group of consumers", Rank: Usual, Head: columns(Vital, names...)}
	s.Head = append(s.Head, Column{Name: "first message p50", Kind: Time}, Column{Name: "first message max", Kind: Time},
		Column{Name: "without message", Kind: Count})
	s = b.byWindow(s, func(m *reports.Measures) []Cell {
		cells := b.counts(names, m.Group != nil, m.Group.Count)
		var first *reports.Latency
		if m.Group != nil {
			first = m.Group.FirstMessage
		}
		return append(cells, percentile(first, p50), percentile(first, most), unanswered(first))
	})
	s.Notes = append(s.Notes, b.lag())
	return s
}

// lag writes how far the group was behind at most.
func (b *builder) lag() string {
	gauges := reports.GroupGauges()
	offsets := b.highest(gauges[0], func(v float64) string { return reports.Count(int64(v)) })
	behind := b.highest(gauges[1], func(v float64) string { return reports.Duration(v * 1e9) })
	return "The group was behind by at most " + offsets + " offsets, and by at most " + behind
}

// highest writes the highest reading of a gauge.
func (b *builder) highest(gauge string, write func(float64) string) string {
	readings := b.stream.Gauges[gauge]
	if len(readings) == 0 {
		return reports.NotMeasured
	}
	high := slices.MaxFunc(readings, func(a, b reports.Sample) int { return cmp.Compare(a.Value, b.Value) })
	return write(high.Value)
}

// absences lists the members of the group that left, froze or died, and when each one came back.
func (b *builder) absences() Section {
	s := Section{Name: NameAbsences, Title: "absences of the group's members", Rank: Full, Head: []Column{
		{Name: "absence"}, {Name: "member", Kind: Factor}, {Name: "at", Kind: Moment}, {Name: "back at", Kind: Moment},
	}}
	for _, a := range b.stream.Strikes {
		member, back := figure(Factor, reports.Count(int64(a.Member)), nil, ""), moment(a.BackNS)
		if a.BackNS == nil {
			back = words("not before the end")
		}
		s.Rows = append(s.Rows, Row{Label: a.Kind, Cells: []Cell{member, moment(&a.AtNS), back}})
	}
	return s
}

// blocks lists the times in which the target took nothing from a connection.
func (b *builder) blocks() Section {
	s := Section{Name: NameBlocks, Title: "connections that the target blocked", Rank: Full, Head: []Column{
		{Name: "block"}, {Name: "connection", Kind: Factor}, {Name: "at", Kind: Moment}, {Name: "until", Kind: Moment},
	}}
	for _, one := range b.stream.Blocks {
		connection, until := figure(Factor, reports.Count(int64(one.Connection)), nil, ""), moment(one.EndNS)
		if one.EndNS == nil {
			until = words("not before the end")
		}
		s.Rows = append(s.Rows, Row{Label: OneLine(one.Why), Cells: []Cell{connection, moment(&one.AtNS), until}})
	}
	return s
}
