package sections

import (
	"strings"

	"wringer/reports"
)

// checks tells the counts of the checks that have no section of their own, as the record describes each.
func (b *builder) checks() Section {
	s := Section{Name: NameChecks, Title: "further checks", Rank: Usual}
	var told []reports.Described
	for _, d := range b.run.Checks {
		if _, ok := b.stream.Total.Checks[d.Name]; ok {
			told = append(told, d)
			s.Head = append(s.Head, Column{Name: strings.ReplaceAll(d.Name, "_", " "), Kind: kindOf(d.Unit), Rank: Vital})
			if d.About != "" {
				s.Notes = append(s.Notes, d.Name+": "+strings.TrimSuffix(d.About, "."))
			}
		}
	}
	if len(told) == 0 {
		return Section{}
	}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		var cells []Cell
		for _, d := range told {
			cells = append(cells, b.checked(d, m.Checks))
		}
		return cells
	})
}

// checked is the cell of a check's count. One that is there as null is not known.
func (b *builder) checked(d reports.Described, counts map[string]*int64) Cell {
	n, measured := counts[d.Name]
	switch {
	case !measured:
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
