package sections

import (
	"slices"

	"wringer/reports"
)

// messages counts the messages within streaming calls, and shows the times between them.
func (b *builder) messages() Section {
	if b.stream.Total.Messages == nil {
		return Section{}
	}
	names := reports.MessageCounts()
	s := Section{Name: NameMessages, Title: "messages", Rank: Usual}
	s.Head = append(s.Head, columns(Vital, "calls")...)
	s.Head = append(s.Head, columns(Vital, names...)...)
	for _, name := range []string{"first message p50", "first message p99", "gap p50", "gap p99"} {
		s.Head = append(s.Head, Column{Name: name, Kind: Time})
	}
	for _, name := range reports.MessageAnomalies() {
		if said := b.stream.Total.Messages.Evidence[name]; said != "" {
			s.Notes = append(s.Notes, "first of "+column(name).Name+": "+said)
		}
	}
	return b.byWindow(s, func(m *reports.Measures) []Cell { return messageCells(m.Messages, names) })
}

func messageCells(m *reports.Messages, names []string) []Cell {
	if m == nil {
		m = &reports.Messages{}
	}
	cells := []Cell{count(m.Calls)}
	for _, name := range names {
		c := counted(m.Count(name), reports.NotMeasured)
		if slices.Contains(reports.MessageAnomalies(), name) {
			c = c.badAboveZero()
		}
		cells = append(cells, c)
	}
	for _, l := range []*reports.Latency{m.First, m.Gap} {
		cells = append(cells, percentile(l, p50), percentile(l, p99))
	}
	return cells
}

// step shows one step of a chain.
func (b *builder) step(step *reports.Step) Section {
	s := Section{Name: NameStep, Title: "step " + step.Name, Rank: Full, Head: []Column{
		{Name: columnOfWindows},
		{Name: "attempts", Kind: Count}, {Name: "acked", Kind: Count},
		{Name: "service p50", Kind: Time}, {Name: "service p99", Kind: Time}, {Name: "max", Kind: Time},
		{Name: "failures by code"},
	}}
	for _, window := range b.windows() {
		if m := step.Windows[window]; m != nil && m.Attempts > 0 {
			s.Rows = append(s.Rows, b.row(window, stepCells(m)))
		}
	}
	s.Rows = append(s.Rows, Row{Label: "total", Total: true, Cells: stepCells(&step.StepMeasures)})
	return s
}

func stepCells(m *reports.StepMeasures) []Cell {
	return []Cell{
		count(m.Attempts), count(m.Acked), percentile(m.Service, p50), percentile(m.Service, p99), percentile(m.Service, most), codes(m.Errors),
	}
}
