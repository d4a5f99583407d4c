// Package page draws a comparison: the judged metrics with the values of every run, curves of both sides over each other, and the
// distributions of their response times. It is one file that works offline.
package page

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/compare"
	"wringer/reports/html"
	"wringer/reports/sections"
)

//go:embed assets
var assets embed.FS

var body = template.Must(template.ParseFS(assets, "assets/page.gohtml"))

func asset(name string) string {
	data, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // embedded: a missing file is a build error
	}
	return string(data)
}

var style, script = asset("page.css"), asset("page.js")

// Render writes the page for an answer and the runs that it is about. The same runs give the same bytes.
func Render(w io.Writer, a *compare.Answer, base, fresh []*compare.Run) error {
	p := html.Page{Body: body, Data: newView(a, base, fresh), Title: a.Title() + ": comparison – wringer", Style: style, Script: script}
	return p.Render(w)
}

// view is the data of the template.
type view struct {
	Answer  *compare.Answer
	Why     string
	Tone    reports.Verdict
	Changes []change
	Tables  []table
	Streams []streamView
	Chart   chart
}

// change is a judged metric in its row.
type change struct {
	Name, Scope, Verdict, Change, Interval, Base, New, P, Why string
	Tone                                                      reports.Verdict
	Strip                                                     *strip
}

// streamView is the place of a stream's charts.
type streamView struct{ ID, Name string }

func newView(a *compare.Answer, base, fresh []*compare.Run) *view {
	v := &view{Answer: a, Why: sections.OneLine(a.Why), Tone: a.Verdict(), Chart: newChart(a, base, fresh)}
	for _, s := range a.Sections(-1) {
		switch {
		case s.Name == "changes":
			for i := range s.Rows {
				v.Changes = append(v.Changes, newChange(&a.Changes[i], &s.Rows[i]))
			}
		case !s.Empty():
			v.Tables = append(v.Tables, newTable(&s))
		}
	}
	for _, s := range v.Chart.Streams {
		v.Streams = append(v.Streams, streamView{s.ID, sections.OneLine(s.Name)})
	}
	return v
}

// table is a section with its cells ready to write.
type table struct {
	Name, Title string
	Head        []cell
	Rows        [][]cell // the first cell is the label
	Notes       []string
}

// cell is a text, and whether it is a figure.
type cell struct {
	Text   string
	Figure bool
}

func newTable(s *sections.Section) table {
	t := table{Name: s.Name, Title: s.Title}
	for _, note := range s.Notes {
		t.Notes = append(t.Notes, sections.OneLine(note))
	}
	for _, column := range s.Head {
		t.Head = append(t.Head, cell{column.Name, column.Kind.Numeric()})
	}
	for i := range s.Rows {
		row := []cell{{Text: sections.OneLine(s.Rows[i].Label)}}
		for n, c := range s.Rows[i].Cells {
			row = append(row, cell{sections.OneLine(c.Text), t.Head[n+1].Figure})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// newChange takes the words of a change from its row of the section.
func newChange(c *compare.Change, row *sections.Row) change {
	return change{
		Name: sections.OneLine(c.Name()), Scope: sections.OneLine(c.Scope()), Verdict: c.Verdict, Change: strings.TrimSpace(strings.TrimPrefix(row.Cells[0].Text, c.Verdict)),
		Base: row.Cells[1].Text, New: row.Cells[2].Text, Interval: row.Cells[3].Text, P: row.Cells[4].Text, Why: sections.OneLine(row.Cells[5].Text),
		Tone: row.Verdict, Strip: newStrip(c.Samples),
	}
}

// strip is a small drawing: a mark for each run, by its value.
type strip struct {
	Base, New []float64 // places from left to right
	Title     string
}

// The width of a strip, in its own units, and the room beside its marks.
const (
	stripWidth = 180.0
	stripRoom  = 8.0
)

// newStrip places the values of the runs; nil: there are none. A value beyond every measured one stands at the right end.
func newStrip(s *compare.Samples) *strip {
	if s == nil {
		return nil
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range slices.Concat(s.Base, s.New) {
		if v != nil {
			low, high = min(low, *v), max(high, *v)
		}
	}
	if low > high {
		return nil
	}
	place := func(v *float64) float64 {
		switch {
		case v == nil:
			return stripWidth - 2
		case high == low:
			return stripWidth / 2
		}
		share := (*v - low) / (high - low)
		return math.Round(10*(stripRoom+share*(stripWidth-2*stripRoom))) / 10
	}
	out := &strip{Title: fmt.Sprintf("%d runs of base above, %d of new below, from the lowest value to the highest", len(s.Base), len(s.New))}
	for _, v := range s.Base {
		out.Base = append(out.Base, place(v))
	}
	for _, v := range s.New {
		out.New = append(out.New, place(v))
	}
	return out
}
