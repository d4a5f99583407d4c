package sections

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Within returns the section with the columns up to a rank. The section itself stays as it is.
func (s Section) Within(most Rank) Section {
	head, rows := s.Head, s.Rows
	s.Head, s.Rows = nil, slices.Clone(rows)
	for i := range s.Rows {
		s.Rows[i].Cells = nil
	}
	for i, column := range head {
		if i > 0 && column.Rank > most {
			continue
		}
		s.Head = append(s.Head, column)
		for r := range rows {
			if i > 0 {
				s.Rows[r].Cells = append(s.Rows[r].Cells, rows[r].Cells[i-1])
			}
		}
	}
	return s
}

// Overview is one table of a stream's most important figures: the columns up to a rank of its vital sections. It is empty if
// there are none.
func Overview(all []Section, most Rank) Section {
	var vital []Section
	for _, s := range all {
		if s.InOverview() {
			vital = append(vital, s.Within(most))
		}
	}
	return Join(vital)
}

// InOverview says whether the section's rows are in the overview of its stream.
func (s *Section) InOverview() bool { return s.Rank == Vital && s.ByWindow() }

// Join puts the columns of sections with the same rows beside each other, such as the sections of a stream by window.
func Join(all []Section) Section {
	var joined Section
	for i, s := range all {
		if i == 0 {
			joined = s
			joined.Head, joined.Rows, joined.Notes = slices.Clone(s.Head), slices.Clone(s.Rows), slices.Clone(s.Notes)
			continue
		}
		joined.Head = append(joined.Head, s.Head[1:]...)
		joined.Notes = append(joined.Notes, s.Notes...)
		for r := range joined.Rows {
			joined.Rows[r].Cells = slices.Concat(joined.Rows[r].Cells, s.Rows[r].Cells)
		}
	}
	return joined
}

// Paragraph writes the names and values of a section of pairs in one line.
func (s *Section) Paragraph() string {
	var facts []string
	for i := range s.Rows {
		facts = append(facts, s.Rows[i].Label+" "+s.Rows[i].Cells[0].Sentence())
	}
	return strings.Join(facts, ", ")
}

// mostLines is the largest number of rows that Lines writes for a section without a total.
const mostLines = 12

// Lines writes the section in lines of words, for a report without room for its table. The lines hold the total, or every
// row of a section without a total.
func (s *Section) Lines() []string {
	if at := slices.IndexFunc(s.Rows, func(r Row) bool { return r.Total }); at >= 0 {
		return []string{s.Title + ": " + strings.Join(s.Clauses(&s.Rows[at]), ", ")}
	}
	var lines []string
	for i := range s.Rows {
		if i == mostLines {
			lines = append(lines, fmt.Sprintf("and %d more", len(s.Rows)-i))
			break
		}
		r := &s.Rows[i]
		if s.Pairs {
			lines = append(lines, r.Label+": "+r.Cells[0].Sentence())
			continue
		}
		lines = append(lines, s.Head[0].Name+" "+r.Label+": "+strings.Join(s.Clauses(r), ", "))
	}
	return lines
}

// named puts the column's name before a text, unless the text speaks for itself.
func (c Column) named(text string) string {
	if c.Plain {
		return text
	}
	return c.Name + " " + text
}

// Clauses writes each cell of a row with its column's name.
func (s *Section) Clauses(r *Row) []string {
	var parts []string
	for i, c := range r.Cells {
		if text := c.Sentence(); text != "" {
			parts = append(parts, s.Head[i+1].named(text))
		}
	}
	return parts
}

// Sentence writes the cell and its notes in one line.
func (c Cell) Sentence() string {
	notes := strings.Join(c.Notes, ", ")
	switch {
	case notes == "":
		return c.Text
	case c.Text == "":
		return notes
	}
	return c.Text + " (" + notes + ")"
}

// Lines replaces characters that cannot be printed by what they are, as \x1b, and keeps the ends of lines. So a text of a file or of a
// target cannot command a terminal.
func Lines(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRune(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// OneLine replaces characters that cannot be printed by spaces. So a text of a record cannot break a line, and cannot
// command a terminal.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
