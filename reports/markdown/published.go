package markdown

import (
	"strings"

	"wringer/reports"
)

// published tells what a stream that only consumes has read.
func (p *page) published(run *reports.Run, s *reports.Stream) {
	head := []string{"window"}
	for _, name := range reports.PublishedNames() {
		head = append(head, strings.ReplaceAll(name, "_", " ")+":")
	}
	p.table(head...)
	row := func(label string, m *reports.Measures) {
		cells := []string{label}
		for _, name := range reports.PublishedNames() {
			cells = append(cells, reports.PublishedCount(m.Integrity, name))
		}
		p.row(cells...)
	}
	for _, window := range run.WindowNames() {
		if m := s.Windows[window]; m != nil && m.Integrity != nil {
			row(text(window), m)
		}
	}
	row("**total**", &s.Total)
	p.line("")
	p.line("%s\n", text(s.Judged()))
}
