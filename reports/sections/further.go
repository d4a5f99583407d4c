package sections

import (
	"maps"
	"slices"

	"wringer/reports"
)

// Measurement is a figure of a stream that no other section shows.
type Measurement struct {
	Name    string              // as gates and the record call it: longest_error_run
	Unit    string              // ns, ratio, count, per_second, or empty for a plain number
	Defect  bool                // it is a defect above 0
	Total   *float64            // nil: not known
	Windows map[string]*float64 // by window; a window that is missing was not measured
}

// Further shows measurements of a stream that have no section of their own, in total and by window. It is empty when there
// are none.
func Further(run *reports.Run, stream string, all []Measurement) Section {
	if len(all) == 0 {
		return Section{}
	}
	b := &builder{run: run, name: stream, stream: run.Streams[stream]}
	s := Section{Name: NameFurther, Title: "further measurements", Stream: stream, Rank: Usual, Head: []Column{{Name: columnOfWindows}}}
	total := Row{Label: "total", Total: true}
	for _, m := range all {
		c := column(m.Name)
		c.Kind, c.Rank = kindOf(m.Unit), Vital
		s.Head = append(s.Head, c)
		total.Cells = append(total.Cells, m.cell(m.Total))
	}
	for _, window := range b.windows() {
		var cells []Cell
		measured := false
		for _, m := range all {
			v, ok := m.Windows[window]
			measured = measured || ok
			c := m.cell(v)
			if !ok {
				c = m.absent()
			}
			cells = append(cells, c)
		}
		if measured {
			s.Rows = append(s.Rows, b.row(window, cells))
		}
	}
	s.Rows = append(s.Rows, total)
	return s
}

// cell is a reading of the measurement; nil is not known.
func (m *Measurement) cell(v *float64) Cell {
	if v == nil {
		return figure(kindOf(m.Unit), reports.NotKnown, nil, m.Unit)
	}
	c := figure(kindOf(m.Unit), reports.Value(*v, m.Unit), v, m.Unit)
	if m.Defect {
		return c.badAboveZero()
	}
	return c
}

func (m *Measurement) absent() Cell { return figure(kindOf(m.Unit), reports.NotMeasured, nil, m.Unit) }

// gauges summarises the readings of the driver's gauges.
func (b *builder) gauges() Section {
	s := Section{Name: NameGauges, Title: "gauges of the driver", Rank: Full, Head: []Column{
		{Name: "gauge"}, {Name: "readings", Kind: Count}, {Name: "min", Kind: Factor}, {Name: "mean", Kind: Factor}, {Name: "max", Kind: Factor}, {Name: "last", Kind: Factor},
	}}
	for _, name := range slices.Sorted(maps.Keys(b.stream.Gauges)) {
		readings := b.stream.Gauges[name]
		if len(readings) == 0 {
			continue
		}
		low, high, sum := readings[0].Value, readings[0].Value, 0.0
		for _, r := range readings {
			low, high, sum = min(low, r.Value), max(high, r.Value), sum+r.Value
		}
		cells := []Cell{count(int64(len(readings)))}
		for _, v := range []float64{low, sum / float64(len(readings)), high, readings[len(readings)-1].Value} {
			cells = append(cells, factor(&v))
		}
		s.Rows = append(s.Rows, Row{Label: name, Cells: cells})
	}
	return s
}
