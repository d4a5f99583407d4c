package sections

import (
	"strings"

	"wringer/reports"
)

// checks shows the counts of the checks without a section of their own. The record describes each count.
func (b *builder) checks() Section {
	s := Section{Name: NameChecks, Title: "further checks", Rank: Usual}
	var measured []reports.Described
	for _, d := range b.run.Checks {
		if _, ok := b.stream.Total.Checks[d.Name]; ok {
			measured = append(measured, d)
			s.Head = append(s.Head, Column{Name: column(d.Name).Name, Kind: kindOf(d.Unit), Rank: Vital})
			if d.About != "" {
				s.Notes = append(s.Notes, d.Name+": "+strings.TrimSuffix(d.About, "."))
			}
		}
	}
	if len(measured) == 0 {
		return Section{}
	}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		var cells []Cell
		for _, d := range measured {
			cells = append(cells, b.checked(d, m.Checks))
		}
		return cells
	})
}

// checked is the cell of a check's count. A count that is null in the record is not known.
func (b *builder) checked(d reports.Described, counts map[string]*int64) Cell {
	n, ok := counts[d.Name]
	switch {
	case !ok:
		return figure(kindOf(d.Unit), reports.NotMeasured, nil, d.Unit)
	case n == nil:
		return figure(kindOf(d.Unit), reports.NotKnown, nil, d.Unit)
	}
	c := figure(kindOf(d.Unit), reports.Value(float64(*n), d.Unit), new(float64(*n)), d.Unit)
	if d.Anomaly {
		c = c.badAboveZero()
	}
	if d.Evidence != "" {
		c = b.proved(c, d.Name)
	}
	return c
}
