package sections

import (
	"fmt"
	"slices"
	"strings"
)

// Within returns the section with the columns up to a rank.
func (s Section) Within(most Rank) Section {
	s.Rows = slices.Clone(s.Rows)
	var keep []int
	head := s.Head
	s.Head = nil
	for i, c := range head {
		if i == 0 || c.Rank <= most {
			s.Head = append(s.Head, c)
			if i > 0 {
				keep = append(keep, i-1)
			}
		}
	}
	for i := range s.Rows {
		var cells []Cell
		for _, k := range keep {
			cells = append(cells, s.Rows[i].Cells[k])
		}
		s.Rows[i].Cells = cells
	}
	return s
}

// Join puts the columns of sections beside each other that have the same rows, as the sections of a stream by window do.
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

// mostLines is how many rows a section without a total tells in lines.
const mostLines = 12

// Lines tells the rows in lines of words, where there is no room for a table: the total, or without one each row.
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

// Clauses tell the cells of a row, each with its column's name.
func (s *Section) Clauses(r *Row) []string {
	var parts []string
	for i, c := range r.Cells {
		if text := c.Sentence(); text != "" {
			parts = append(parts, s.Head[i+1].named(text))
		}
	}
	return parts
}

// Sentence tells the cell with its notes in one line.
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
