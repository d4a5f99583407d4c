package sections

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// placeCounts are the counts that the table of places shows, and those that are left out where no place measures them.
var (
	placeCounts   = []string{"seen", "lost", "effect_duplicates", "order_violations", "corrupt", "phantom", "unexpected", "recovered", "redelivered", "foreign", "extra_copies", "max_copies"}
	placesByFirst = []string{"seen", "lost", "effect_duplicates"}
)

// places compares the places of a stream's effects. It is empty when they have no names.
func (b *builder) places() Section {
	if len(b.stream.Places) == 0 {
		return Section{}
	}
	s := Section{Name: NamePlaces, Title: "effects by place", Rank: Vital, Head: []Column{{Name: "place", Kind: Code}, {Name: "where", Rank: Usual, Plain: true}}}
	names := b.measuredInPlaces()
	for _, name := range names {
		c := column(name)
		if slices.Contains(placesByFirst, name) {
			c.Rank = Vital
		}
		s.Head = append(s.Head, c)
	}
	s.Head = append(s.Head, Column{Name: "time to the effect, p99", Short: "p99", Kind: Time, Rank: Usual})
	for i := range b.stream.Places {
		p := &b.stream.Places[i]
		cells := append([]Cell{words(p.Kind + " " + p.At)}, b.placeCells(p, p.Total.Integrity, names)...)
		s.Rows = append(s.Rows, Row{Label: p.Name, Code: true, Cells: append(cells, effectTime(p.Total.Effect))})
		s.Notes = append(s.Notes, placeNotes(p)...)
	}
	return s
}

// place shows one place by window.
func (b *builder) place(p *reports.Place) Section {
	s := Section{Name: NamePlace, Title: "effects in " + p.Name, Rank: Full}
	names := b.measuredInPlaces()
	for _, name := range names {
		s.Head = append(s.Head, column(name))
	}
	s.Head = append(s.Head, Column{Name: "time to the effect, p50", Short: "p50", Kind: Time, Rank: Usual}, Column{Name: "p99", Kind: Time, Rank: Usual})
	row := func(m *reports.PlaceMeasures) []Cell {
		cells := b.placeCells(p, m.Integrity, names)
		p50 := words(reports.NotMeasured)
		if m.Effect != nil {
			p50 = figure(Time, m.Effect.Percentile(m.Effect.P50), m.Effect.P50, unitTime)
		}
		return append(cells, p50, effectTime(m.Effect))
	}
	s.Head = slices.Insert(s.Head, 0, Column{Name: columnOfWindows})
	for _, window := range b.windows() {
		if m := p.Windows[window]; m != nil && b.stream.Windows[window] != nil && happened(b.stream.Windows[window]) {
			s.Rows = append(s.Rows, b.row(window, row(m)))
		}
	}
	s.Rows = append(s.Rows, Row{Label: "total", Total: true, Cells: row(&p.Total)})
	return s
}

func effectTime(e *reports.EffectTimes) Cell {
	if e == nil {
		return words(reports.NotMeasured)
	}
	return figure(Time, e.Percentile(e.P99), e.P99, unitTime)
}

// measuredInPlaces lists the counts that some place measures.
func (b *builder) measuredInPlaces() (names []string) {
	for _, name := range placeCounts {
		for i := range b.stream.Places {
			if p := &b.stream.Places[i]; p.Total.Integrity.Count(name) != nil || p.Unread != "" && p.Unmeasured[name] == "" {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func (b *builder) placeCells(p *reports.Place, i *reports.Integrity, names []string) []Cell {
	var cells []Cell
	for _, name := range names {
		absent := reports.NotKnown
		if p.Unmeasured[name] != "" {
			absent = reports.NotMeasured
		}
		c := counted(i.Count(name), absent)
		if b.run.Anomalous(name) {
			c = c.badAboveZero()
		}
		cells = append(cells, b.proved(c, name))
	}
	return cells
}

// placeNotes say what a place cannot tell, and why.
func placeNotes(p *reports.Place) (notes []string) {
	if p.Unread != "" {
		notes = append(notes, fmt.Sprintf("%s was not read to its end, so what was not seen there is not known: %s", p.Name, p.Unread))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Unmeasured)) {
		what := column(name).Name
		switch name {
		case "corrupt":
			continue // nobody asked for it
		case "effect_ns":
			what = "the time to the effect"
		}
		notes = append(notes, fmt.Sprintf("%s: %s is not measured: %s", p.Name, what, p.Unmeasured[name]))
	}
	return notes
}

// saga shows the operations that were not whole. It is empty without a saga.
func (b *builder) saga() Section {
	if b.stream.Total.Saga == nil {
		return Section{}
	}
	s := Section{Name: NameSaga, Title: "effects and their compensations", Rank: Vital, Head: []Column{
		{Name: "violations", Kind: Count}, {Name: "compensated", Kind: Count},
		{Name: "mixed, p50", Kind: Time, Rank: Usual}, {Name: "mixed, p99", Kind: Time, Rank: Usual}, {Name: "longest mixed", Kind: Time},
		{Name: "mixed to the end", Kind: Count},
	}}
	return b.byWindow(s, func(m *reports.Measures) []Cell {
		if m.Saga == nil {
			m = &reports.Measures{Saga: &reports.Saga{}}
		}
		cells := []Cell{
			b.proved(counted(m.Saga.Violations, reports.NotKnown).badAboveZero(), "saga_violations"), counted(m.Saga.Compensated, reports.NotKnown),
		}
		e := m.Saga.Mixed
		if e == nil {
			none := words(reports.NotMeasured)
			return append(cells, none, none, none, none)
		}
		at := func(v *float64) Cell { return figure(Time, e.Percentile(v), v, unitTime) }
		return append(cells, at(e.P50), at(e.P99), duration(e.Max), unwanted(e.Unseen()))
	})
}

// inPlaces says in which places of the effects a count was found; empty where the places have no names.
func inPlaces(s *reports.Stream, name string) string {
	var parts []string
	for i := range s.Places {
		if n := s.Places[i].Total.Integrity.Count(name); n != nil && *n > 0 {
			parts = append(parts, reports.Count(*n)+" in "+s.Places[i].Name)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}
