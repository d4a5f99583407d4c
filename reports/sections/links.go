package sections

import (
	"cmp"
	"maps"
	"slices"

	"wringer/reports"
)

// Links shows the requests between the target's own services, by link and window. It is empty when no witness stood on a link.
func Links(run *reports.Run) Section {
	s := Section{Name: NameLinks, Title: "Links between services", Aside: "the requests that reached the callee", Rank: Vital, Head: []Column{
		{Name: "link", Kind: Code},
		{Name: "window", Kind: Moment, Plain: true},
		{Name: "requests", Kind: Count},
		{Name: "answered", Kind: Count},
		{Name: "arrived twice", Kind: Count},
		{Name: "per operation", Kind: Factor},
		{Name: "calls of an operation"},
		{Name: "not whole", Kind: Count, Rank: Usual},
		{Name: "most arrivals", Kind: Count, Rank: Usual},
		{Name: "without identity", Kind: Count, Rank: Usual},
		{Name: "answers", Rank: Usual},
		{Name: "kinds", Rank: Full},
	}}
	for _, name := range run.LinkNames() {
		l := run.Links[name]
		for _, window := range run.WindowNames() {
			if m := l.Windows[window]; m != nil && (m.Requests == nil || *m.Requests > 0 || m.Operations > 0) {
				s.Rows = append(s.Rows, linkRow(name, window, l, m))
			}
		}
		total := linkRow(name, "total", l, &l.Total)
		s.Rows = append(s.Rows, total)
		if l.Unknown != "" {
			s.Notes = append(s.Notes, name+": counts are lower bounds: "+l.Unknown)
		}
	}
	if len(s.Rows) > 0 {
		s.Notes = append(s.Notes, "A request counts in the window in which it arrived, and a repeated one where it arrived for the second time; "+
			"the calls of an operation count where it was due")
	}
	return s
}

func linkRow(name, window string, l *reports.Link, m *reports.LinkMeasures) Row {
	absent := reports.NotKnown
	ofIdentity := absent
	if l.Identity == "" {
		ofIdentity = reports.NotMeasured
	}
	return Row{Label: name, Code: true, Cells: []Cell{
		words(window), counted(m.Requests, absent), counted(m.Answered, absent), counted(m.ArrivedTwice, ofIdentity).badAboveZero(),
		factor(m.Amplification), callsOf(m), counted(m.RequestsCut, absent), counted(m.MaxArrivals, ofIdentity),
		unidentified(m, ofIdentity), words(tally(m.Statuses)), words(tally(m.Kinds)),
	}}
}

// unidentified counts the requests without an identity, and names their kinds.
func unidentified(m *reports.LinkMeasures, absent string) Cell {
	c := counted(m.Unidentified, absent)
	if len(m.UnidentifiedKinds) > 0 {
		c.Notes = append(c.Notes, reports.Tally(m.UnidentifiedKinds))
	}
	return c
}

// callsOf is the number of calls of an operation, for each stream.
func callsOf(m *reports.LinkMeasures) Cell {
	var c Cell
	for _, stream := range slices.Sorted(maps.Keys(m.Calls)) {
		if calls := m.Calls[stream]; calls.Mean != nil && calls.P99 != nil && calls.Max != nil {
			c.Notes = append(c.Notes, stream+": mean "+reports.Factor(*calls.Mean)+", p99 "+reports.Factor(*calls.P99)+", most "+reports.Count(*calls.Max))
		}
	}
	if len(c.Notes) == 0 {
		return words(reports.NotMeasured)
	}
	return c
}

// tally writes counts by word.
func tally(counts map[string]int64) string { return cmp.Or(reports.Tally(counts), "none") }
