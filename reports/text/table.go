package text

import (
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// The marks in place of words for which a table has no room.
const (
	dash     = "-"
	question = "?"
	none     = "none"
)

// leastLabel is the width to which a label shrinks before a table breaks into two.
const leastLabel = 12

// table writes a section as a table behind an indent of two. Figures are aligned to the right. If the table is too wide, its
// gaps shrink, then its words, then its first column. Columns that still have no room follow in a second table.
func (s *sheet) table(p sections.Section) {
	if len(p.Rows) == 0 {
		return
	}
	g := newGrid(p)
	if !g.fits(s.width) {
		g.gap = 1
	}
	if !g.fits(s.width) {
		g.replace(reports.NoAnswer, none)
	}
	for from := 1; from < len(g.head); {
		to := from + 1
		for to < len(g.head) && g.width(from, to+1) <= s.width {
			to++
		}
		g.write(s, from, to)
		from = to
	}
	s.legend(g)
}

// legend explains the marks that a table uses.
func (s *sheet) legend(g *grid) {
	var all []string
	for _, mark := range [][2]string{{dash, reports.NotMeasured}, {question, reports.NotKnown}, {none, reports.NoAnswer}} {
		if slices.ContainsFunc(g.rows, func(cells []string) bool { return slices.Contains(cells[1:], mark[0]) }) {
			all = append(all, mark[0]+": "+mark[1])
		}
	}
	if len(all) > 0 {
		s.wrap("  ", strings.Join(all, "; "))
	}
}

// grid is a table of plain text.
type grid struct {
	head []string
	left []bool // the column is words, aligned to the left
	rows [][]string
	bold []bool
	gap  int
}

func newGrid(p sections.Section) *grid {
	g := &grid{gap: 2}
	times := make(map[string]int)
	for _, c := range p.Head {
		times[c.Brief()]++
	}
	for i, c := range p.Head {
		name := c.Brief()
		switch {
		case i == 0 && p.ByWindow():
			name = "" // the rows show it themselves
		case times[name] > 1:
			name = c.Name
		}
		g.head, g.left = append(g.head, sections.OneLine(name)), append(g.left, i == 0 || !c.Kind.Numeric())
	}
	for i := range p.Rows {
		r := &p.Rows[i]
		cells := []string{sections.OneLine(r.Label)}
		for _, c := range r.Cells {
			cells = append(cells, sections.OneLine(short(c)))
		}
		g.rows, g.bold = append(g.rows, cells), append(g.bold, r.Total && len(p.Rows) > 1)
	}
	return g
}

// short is a mark for a figure that was not measured or is not known: a table has no room for the words.
func short(c sections.Cell) string {
	switch c.State {
	case sections.Unmeasured:
		return dash
	case sections.Unknown:
		return question
	}
	return c.Sentence()
}

// column is the width of a column.
func (g *grid) column(i int) int {
	width := runes(g.head[i])
	for _, row := range g.rows {
		width = max(width, runes(row[i]))
	}
	return width
}

// numbers is the width of some columns with the gaps before them.
func (g *grid) numbers(from, to int) int {
	width := 0
	for i := from; i < to; i++ {
		width += g.gap + g.column(i)
	}
	return width
}

// width is the least width of a table of the labels and some columns.
func (g *grid) width(from, to int) int {
	return 2 + min(g.column(0), leastLabel) + g.numbers(from, to)
}

// fits reports whether the whole grid has room, its labels in full.
func (g *grid) fits(width int) bool { return 2+g.column(0)+g.numbers(1, len(g.head)) <= width }

func (g *grid) replace(text, with string) {
	for _, row := range g.rows {
		for i := range row[1:] {
			if row[i+1] == text {
				row[i+1] = with
			}
		}
	}
}

// write writes the labels and some columns.
func (g *grid) write(s *sheet, from, to int) {
	label := max(min(g.column(0), s.width-2-g.numbers(from, to)), min(g.column(0), leastLabel))
	s.WriteString(s.paint(faint, g.line(g.head, label, from, to, s.width)) + "\n")
	for i, row := range g.rows {
		line := g.line(row, label, from, to, s.width)
		if g.bold[i] {
			line = s.paint(bold, line)
		}
		s.WriteString(line + "\n")
	}
}

func (g *grid) line(cells []string, label, from, to, width int) string {
	var b strings.Builder
	first := clip(cells[0], label)
	b.WriteString("  " + first + strings.Repeat(" ", label-runes(first)))
	for i := from; i < to; i++ {
		b.WriteString(strings.Repeat(" ", g.gap))
		pad := strings.Repeat(" ", g.column(i)-runes(cells[i]))
		if g.left[i] {
			b.WriteString(cells[i] + pad)
		} else {
			b.WriteString(pad + cells[i])
		}
	}
	return clip(strings.TrimRight(b.String(), " "), width)
}

// barWidth is the length of the longest bar.
const barWidth = 24

// bars writes the rows of a distribution, each with a bar as long as its count.
func (s *sheet) bars(p sections.Section) {
	most := 0.0
	for i := range p.Rows {
		most = max(most, *p.Rows[i].Cells[0].Value)
	}
	g := newGrid(p)
	g.head, g.left = append(g.head, ""), append(g.left, true)
	for i := range g.rows {
		g.rows[i] = append(g.rows[i], bar(*p.Rows[i].Cells[0].Value, most))
	}
	g.write(s, 1, len(g.head))
}

// bar is n of most as a bar in eighths of a column; a value above 0 is never invisible.
func bar(n, most float64) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	eighths := max(int64(n*barWidth*8/most), 1)
	full, rest := int(eighths/8), int(eighths%8)
	out := strings.Repeat("█", full)
	if rest > 0 {
		out += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return out
}
