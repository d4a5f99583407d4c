package text

import (
	"slices"
	"strings"

	"wringer/reports"
)

// published tells what a stream that only consumes has read.
func (s *sheet) published(run *reports.Run, st *reports.Stream) {
	var names []string
	for _, name := range reports.PublishedNames() {
		if short(reports.PublishedCount(st.Total.Integrity, name)) != "-" {
			names = append(names, name)
		}
	}
	t := table{head: []string{""}}
	for _, name := range names {
		t.head = append(t.head, strings.TrimPrefix(strings.TrimSuffix(strings.ReplaceAll(name, "_", " "), " violations"), "log "))
	}
	cells := func(label string, m *reports.Measures) []string {
		row := []string{label}
		for _, name := range names {
			row = append(row, short(reports.PublishedCount(m.Integrity, name)))
		}
		return row
	}
	for _, window := range run.WindowNames() {
		if m := st.Windows[window]; m != nil && slices.ContainsFunc(names, func(name string) bool { n := m.Count(name); return n != nil && *n > 0 }) {
			t.rows = append(t.rows, cells(window, m))
		}
	}
	t.rows = append(t.rows, cells("total", &st.Total))
	s.table(t)
	s.wrap("  ", st.Judged())
	for _, fact := range st.GroupFacts() {
		s.wrap("  ", fact)
	}
}
