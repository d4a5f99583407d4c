package markdown

import "wringer/reports"

// probes tells what a witness saw arrive and what became of replays, where the stream had them.
func (p *page) probes(run *reports.Run, name string) {
	s := run.Streams[name]
	if s.Total.Witness != nil {
		p.table("window", "attempts sent:", "arrivals:", "not arrived:", "cut short:", "answered:", "operations arrived:", "arrived twice:", "most arrivals:", "hidden arrivals:")
		for _, window := range run.WindowNames() {
			if m := s.Windows[window]; m != nil && m.Offered > 0 {
				p.arrivals(text(window), m)
			}
		}
		p.arrivals("**total**", &s.Total)
		p.line("")
	}
	for _, note := range s.Total.Probes() {
		p.line("%s\n", text(note))
	}
}

func (p *page) arrivals(label string, m *reports.Measures) {
	cells := []string{label}
	for _, count := range reports.WitnessNames() {
		cells = append(cells, reports.WitnessCount(m.Witness, count))
	}
	p.row(cells...)
}
