package sections

import (
	"slices"
	"strings"

	"wringer/reports"
)

// alwaysLookedFor are the counts of copies. A stream that only consumes always looks for copies: a missing count of copies is
// not known.
var alwaysLookedFor = []string{"log_duplicates", "extra_copies"}

// published are the counts that matter for the records that a consuming stream has read.
var published = []string{"seen", "lost", "log_duplicates", "extra_copies", "order_violations", "gaps", "phantom", "unexpected", "foreign"}

// integrity shows the counts of lost, repeated and reordered operations, or of the records that a stream has read.
func (b *builder) integrity() Section {
	s := Section{Name: NameIntegrity, Title: "integrity", Rank: Vital}
	st := b.stream
	switch {
	case st.Total.Integrity == nil && st.Effects == "":
		s.Notes = []string{"Integrity: not measured. Nothing observed the effects of this stream"}
		return s
	case st.Total.Integrity == nil:
		s.Notes = []string{"Integrity: not measured"}
		return s
	}
	names, missing := b.split()
	for _, name := range names {
		c := column(name)
		if st.Consumes() && slices.Contains(published, name) {
			c.Rank = Vital
		}
		s.Head = append(s.Head, c)
	}
	s = b.byWindow(s, func(m *reports.Measures) []Cell { return b.integrityCells(m.Integrity, names) })
	if st.Consumes() {
		s.Notes = append(s.Notes, judged(st))
	}
	if len(missing) > 0 {
		s.Notes = append(s.Notes, "Not measured: "+strings.Join(missing, ", "))
	}
	return s
}

// split lists the counts that were measured in some window, and the labels of the counts that were not.
func (b *builder) split() (names, missing []string) {
	wanted := reports.IntegrityNames()
	if b.stream.Consumes() {
		wanted = published
	}
	for _, name := range reports.IntegrityNames() {
		switch {
		case b.measured(name):
			names = append(names, name)
		case name == "corrupt": // nobody asked for it
		case slices.Contains(wanted, name):
			missing = append(missing, column(name).Name)
		}
	}
	return names, missing
}

// measured reports whether a count was measured in total or in some window. A count that is not known was measured.
func (b *builder) measured(name string) bool {
	if b.integrityCell(b.stream.Total.Integrity, name).State != Unmeasured {
		return true
	}
	for _, m := range b.stream.Windows {
		if b.integrityCell(m.Integrity, name).State != Unmeasured {
			return true
		}
	}
	return false
}

func (b *builder) integrityCells(i *reports.Integrity, names []string) []Cell {
	var cells []Cell
	for _, name := range names {
		c := b.integrityCell(i, name)
		if b.run.Anomalous(name) {
			c = c.badAboveZero()
		}
		cells = append(cells, b.proved(c, name))
	}
	return cells
}

func (b *builder) integrityCell(i *reports.Integrity, name string) Cell {
	absent := reports.IntegrityCount(i, name)
	if i != nil && b.stream.Consumes() && slices.Contains(alwaysLookedFor, name) {
		absent = reports.NotKnown
	}
	return counted(i.Count(name), absent)
}

// proved names the evidence of a count that is above 0.
func (b *builder) proved(c Cell, name string) Cell {
	if c.Value != nil && *c.Value > 0 {
		c.Anchor = anchor(b.name, name)
	}
	return c
}

// judged explains what a stream that only consumes can find out about its records.
func judged(s *reports.Stream) string {
	if s.Of != "" {
		return "Judged against the operations of " + s.Of + ", by the window in which each was due"
	}
	return "Judged by the records alone: copies and order, and gaps where they are numbered. A record that never came, and leaves no gap, shows nowhere"
}

// defects lists the counts that are defects and above 0, in total.
func (b *builder) defects() Section {
	s := Section{Name: NameCounts, Title: "anomalies", Rank: Vital, Pairs: true, Head: pairs("anomaly")}
	for _, name := range defects(b.run) {
		if n := b.stream.Total.Count(name); n != nil && *n > 0 {
			s.Rows = append(s.Rows, Row{Label: column(name).Name, Cells: []Cell{b.proved(unwanted(*n), name)}})
		}
	}
	return s
}
