package sections

import (
	"maps"
	"slices"
	"strings"

	"wringer/reports"
)

// For returns the sections of a stream, in the order in which reports show them. The run must have a stream of that name.
func For(run *reports.Run, stream string) []Section {
	b := &builder{run: run, name: stream, stream: run.Streams[stream]}
	s := b.stream
	if !s.Consumes() {
		b.add(b.operations(), b.attempts())
	}
	b.add(b.effects(), b.failures(), b.details(), b.messages())
	for i := range s.Steps {
		b.add(b.step(&s.Steps[i]))
	}
	b.add(b.integrity(), b.places())
	for i := range s.Places {
		b.add(b.place(&s.Places[i]))
	}
	b.add(b.saga(), b.witness(), b.replays(), b.group(), b.checks(), b.absences(), b.blocks(), b.slowest(), b.gauges())
	return b.sections
}

// Load returns the sections of a stream for the report of a load test: its totals, and the distributions of its times. The run
// must have a stream of that name.
func Load(run *reports.Run, stream string) []Section {
	b := &builder{run: run, name: stream, stream: run.Streams[stream]}
	b.add(b.totals(), b.times(), b.failures(), b.details(), b.messages(), b.defects(), b.checks(), b.histogram())
	return b.sections
}

// Summary describes a stream in a line: driver, model, plan, keys and the place of its effects.
func Summary(s *reports.Stream) string {
	if s.Consumes() {
		return strings.Join([]string{s.Driver, "sends nothing", "reads " + s.Effects, s.Plan}, " · ")
	}
	parts := []string{s.Driver, strings.TrimSpace(s.Model + " model, " + s.Plan)}
	if s.Keys > 0 {
		parts = append(parts, reports.Count(int64(s.Keys))+" keys")
	}
	if s.Effects != "" {
		parts = append(parts, "observed in "+s.Effects)
	} else {
		parts = append(parts, "effects not observed")
	}
	return strings.Join(parts, " · ")
}

// builder makes the sections of one stream.
type builder struct {
	run      *reports.Run
	name     string
	stream   *reports.Stream
	sections []Section
}

// add appends the sections that have something to show.
func (b *builder) add(all ...Section) {
	for _, s := range all {
		if !s.Empty() {
			s.Stream = b.name
			b.sections = append(b.sections, s)
		}
	}
}

// byWindow makes a row for each window in which something was counted, and one for the total.
func (b *builder) byWindow(s Section, cells func(*reports.Measures) []Cell) Section {
	s.Head = slices.Insert(s.Head, 0, Column{Name: columnOfWindows})
	for _, window := range b.windows() {
		if m := b.stream.Windows[window]; m != nil && happened(m) {
			s.Rows = append(s.Rows, b.row(window, cells(m)))
		}
	}
	s.Rows = append(s.Rows, Row{Label: "total", Total: true, Cells: cells(&b.stream.Total)})
	return s
}

// windows returns the names of the stream's windows, in the order in which they begin.
func (b *builder) windows() []string { return names(b.run.WindowsOf(b.name)) }

func (b *builder) row(window string, cells []Cell) Row {
	when, fault := spans(b.run.WindowsOf(b.name), window)
	return Row{Label: window, Note: when, Fault: fault, Cells: cells}
}

// happened says whether anything was counted in a window.
func happened(m *reports.Measures) bool {
	if m.Offered > 0 || m.Group != nil {
		return true
	}
	names := slices.Concat(reports.IntegrityNames(), reports.WitnessNames(), slices.Collect(maps.Keys(m.Checks)))
	return slices.ContainsFunc(names, func(name string) bool {
		n := m.Count(name)
		return n != nil && *n > 0
	})
}
