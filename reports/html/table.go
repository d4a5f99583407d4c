package html

import (
	"strconv"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// table is a section as an HTML table, whose first column names its rows.
type table struct {
	ID       string // empty: nothing leads here
	Caption  string
	Class    string // dense: many narrow columns
	Verdicts bool   // each row begins with its verdict
	Head     []head
	Rows     []row
	Notes    []string
}

// head is a column's name. Meaning explains it; empty: it speaks for itself.
type head struct{ Text, Class, Meaning string }

type row struct {
	*sections.Row
	Class string
	Cells []cell
}

type cell struct {
	sections.Cell
	Class string // n: a figure; na: no figure; bad, good, doubt; short: on one line
	Label string // of its column
	Href  string // anchor of the evidence; empty without evidence
}

// wide is the number of columns from which a table is dense.
const wide = 10

// newTable lays a section out. ids are the elements that hold the evidence, by anchor.
func newTable(s *sections.Section, ids map[string]string) *table {
	t := &table{Caption: caption(s), Notes: s.Notes}
	if len(s.Head) >= wide {
		t.Class = "dense"
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		t.Verdicts = t.Verdicts || r.Verdict != ""
		t.Rows = append(t.Rows, newRow(s, r, ids))
	}
	for _, c := range s.Head {
		t.Head = append(t.Head, head{soft.Replace(c.Name), numeric(c.Kind), sections.Meaning(c.Name)})
	}
	return t
}

func caption(s *sections.Section) string {
	title := s.Title
	if s.ByWindow() {
		title += ", by window"
	}
	if s.Stream != "" && s.Name != sections.NameEvidence {
		title = s.Stream + ": " + title
	}
	return title
}

func newRow(s *sections.Section, r *sections.Row, ids map[string]string) row {
	out := row{Row: r, Class: string(r.Verdict)}
	if r.Total {
		out.Class = "total"
	}
	for i, c := range r.Cells {
		column := s.Head[i+1]
		out.Cells = append(out.Cells, cell{c, classes(column.Kind, c.State), column.Name, ids[c.Anchor]})
	}
	return out
}

func classes(kind sections.Kind, state sections.State) string {
	class := numeric(kind)
	if kind == sections.Moment {
		class = "short"
	}
	switch state {
	case sections.Good:
		class += " good"
	case sections.Bad:
		class += " bad"
	case sections.Doubt:
		class += " doubt"
	case sections.Unmeasured, sections.Unknown:
		class += " na"
	}
	return strings.TrimSpace(class)
}

func numeric(kind sections.Kind) string {
	if kind.Numeric() {
		return "n"
	}
	return ""
}

// soft lets long words in a column's head break.
var soft = strings.NewReplacer("unexpected", "unex\u00adpected", "recovered", "re\u00adcovered", "redelivered", "re\u00addelivered",
	"violations", "viola\u00adtions", "regressions", "regres\u00adsions", "duplicates", "dupli\u00adcates", "collisions", "colli\u00adsions",
	"acknowledgement", "acknow\u00adledge\u00adment", "indeterminate", "indeter\u00adminate", "amplification", "ampli\u00adfication", "unanswered", "un\u00adanswered",
	"processed", "pro\u00adcessed", "rebalances", "re\u00adbalances", "duplicated", "dupli\u00adcated", "reordered", "re\u00adordered", "operations", "opera\u00adtions")

// Figure is the cell's value, by which its column is sorted; empty without one.
func (c cell) Figure() string {
	if c.Value == nil {
		return ""
	}
	return strconv.FormatFloat(*c.Value, 'g', -1, 64)
}

// Mark is the symbol before a cell's text: colour alone must not carry the meaning.
func (c cell) Mark() string {
	switch c.State {
	case sections.Good:
		return symbol(reports.Pass)
	case sections.Doubt:
		return symbol(reports.Inconclusive)
	}
	return ""
}
