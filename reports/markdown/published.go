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
	p.group(run, s)
}

// group tells what became of the records in the group that reads the stream, if there is one.
func (p *page) group(run *reports.Run, s *reports.Stream) {
	if s.Total.Group == nil {
		return
	}
	head := []string{"group in"}
	for _, name := range reports.GroupHead() {
		head = append(head, strings.ReplaceAll(name, "_", " ")+":")
	}
	p.table(head...)
	for _, window := range run.WindowNames() {
		if m := s.Windows[window]; m != nil && m.Group != nil {
			p.row(append([]string{text(window)}, m.Group.GroupCells()...)...)
		}
	}
	p.row(append([]string{"**total**"}, s.Total.Group.GroupCells()...)...)
	p.line("")
	for _, fact := range s.GroupFacts() {
		p.line("- %s", text(fact))
	}
	p.line("")
}
