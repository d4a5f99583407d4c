// Package text renders a record as the summary in a terminal at the end of a run.
package text

import (
	"io"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// Options of Render.
type Options struct {
	// Width of the terminal in columns; 0 means 80, and less than 60 means 60. Only an unbreakable word exceeds it.
	Width int
	// Color uses ANSI colours.
	Color bool
	// All writes everything, however long it is.
	All bool
}

const (
	defaultWidth  = 80
	smallestWidth = 60
)

// Render writes the verdict with its reason, the gates, the streams by window, the integrity, the faults, the windows, the
// findings and the validity. Of a wide run, whose summary would be long, it writes what failed or changed, and totals, unless opt.All.
func Render(w io.Writer, rec *reports.Record, opt Options) error {
	run := rec.Run
	s := newSheet(opt)
	s.verdict(run)
	for _, name := range run.StreamNames() {
		s.title(name, sections.Summary(run.Streams[name]))
		s.stream(sections.For(run, name))
	}
	s.part(sections.Integrity(run))
	s.evidence(sections.Evidence(rec))
	s.part(sections.Faults(run))
	s.part(sections.Windows(run))
	s.part(sections.Parts(run))
	s.part(sections.Links(run))
	s.part(sections.ObservedByGates(run))
	s.end(run)
	if !opt.All && strings.Count(s.String(), "\n") > longest {
		s = newSheet(opt)
		s.brief(run)
	}
	return s.to(w)
}

// RenderLoad writes the record of a run of one stream, for `wringer load`. The stream's times are in full instead of by window,
// and there are no faults and windows.
func RenderLoad(w io.Writer, rec *reports.Record, opt Options) error {
	run := rec.Run
	s := newSheet(opt)
	s.verdict(run)
	for _, name := range run.StreamNames() {
		s.title(name, sections.Summary(run.Streams[name]))
		s.load(sections.Load(run, name))
	}
	s.evidence(sections.Evidence(rec))
	s.end(run)
	return s.to(w)
}

// Verdict writes the verdict with its reason once more, for the last lines: of a long summary a terminal shows the end.
func Verdict(w io.Writer, rec *reports.Record, opt Options) error {
	s := newSheet(opt)
	s.WriteByte('\n')
	s.headline(rec.Run)
	return s.to(w)
}

// verdict writes the verdict with its reason, and the gates.
func (s *sheet) verdict(run *reports.Run) {
	s.headline(run)
	s.part(sections.Gates(run))
}

// headline writes the verdict with its reason, and of a failed run what makes the run itself inconclusive. The other reasons
// stand with the gates, faults and validity from which they come.
func (s *sheet) headline(run *reports.Run) {
	s.mark(run.Verdict, strings.ToUpper(string(run.Verdict))+"  "+run.Name)
	s.wrap("  ", run.Headline())
	if v := &run.Validity; run.Verdict == reports.Fail && v.Verdict == reports.Inconclusive && len(v.Why) > 0 {
		s.wrap("  ", "the run itself is inconclusive: "+v.Why[0])
	}
}

// end writes the findings, the run's identity and the validity.
func (s *sheet) end(run *reports.Run) {
	s.part(sections.Findings(run))
	s.part(sections.Startup(run))
	s.part(sections.About(run))
	s.part(sections.Validity(run))
}

// to hands the sheet over.
func (s *sheet) to(w io.Writer) error {
	_, err := io.WriteString(w, s.String())
	return err
}

// part writes a section of the run under its own title.
func (s *sheet) part(p sections.Section) {
	if p.Empty() {
		return
	}
	s.title(p.Title, "")
	indent := "  "
	if p.Verdict != "" {
		s.mark(p.Verdict, string(p.Verdict))
		indent = "    "
	}
	switch {
	case p.Pairs:
		s.wrap(indent, p.Paragraph())
	case len(p.Rows) > 0 && p.Rows[0].Verdict != "":
		s.marked(p)
	default:
		s.table(p.Within(sections.Vital))
	}
	for _, note := range p.Notes {
		s.wrap(indent, note)
	}
}

// marked writes rows behind the symbols of their verdicts, with their first cell at the right end. A row that passed leaves out
// the cells of low rank.
func (s *sheet) marked(p sections.Section) {
	short, long := p.Within(sections.Vital), p.Within(sections.Usual)
	for i := range p.Rows {
		rows := &long
		if p.Rows[i].Verdict == reports.Pass {
			rows = &short
		}
		r := rows.Rows[i]
		s.mark(r.Verdict, s.spread(sections.OneLine(r.Label), r.Cells[0].Text, 4))
		rest := *rows
		first := r.Cells[0]
		rest.Head, r.Cells = rest.Head[1:], r.Cells[1:]
		if clauses := slices.Concat(first.Notes, rest.Clauses(&r)); len(clauses) > 0 {
			s.wrap("    ", strings.Join(clauses, "; "))
		}
	}
}

// stream writes the sections of a stream: a table of the most important figures, and the totals of the others in lines.
func (s *sheet) stream(all []sections.Section) {
	s.table(sections.Overview(all, sections.Vital))
	for _, section := range all {
		if section.InOverview() {
			s.hidden(&section)
		} else {
			s.lines(section.Within(sections.Vital))
		}
		for _, note := range section.Notes {
			s.wrap("  ", note)
		}
	}
}

// hidden writes the bad totals that have no column in the table.
func (s *sheet) hidden(p *sections.Section) {
	var bad []string
	total := &p.Rows[len(p.Rows)-1]
	for i, c := range total.Cells {
		if p.Head[i+1].Rank > sections.Vital && c.State == sections.Bad && c.Value != nil {
			bad = append(bad, p.Head[i+1].Name+" "+c.Sentence())
		}
	}
	if len(bad) > 0 {
		s.wrap("  ", strings.Join(bad, ", "))
	}
}

func (s *sheet) lines(p sections.Section) {
	for _, line := range p.Lines() {
		s.wrap("  ", line)
	}
}

// load writes the sections of a stream of a load test.
func (s *sheet) load(all []sections.Section) {
	for _, section := range all {
		switch section.Name {
		case sections.NameTimes:
			s.table(section)
		case sections.NameHistogram:
			s.title(section.Title, "")
			s.bars(section)
		default:
			s.lines(section.Within(sections.Vital))
		}
		for _, note := range section.Notes {
			s.wrap("  ", note)
		}
	}
}

// evidence says how much evidence the record keeps, with the first example of each kind.
func (s *sheet) evidence(all []sections.Section) {
	if len(all) == 0 {
		return
	}
	s.title("Evidence", "")
	for _, section := range all {
		s.wrap("  ", section.Title+": "+section.Aside)
		s.example(&section)
	}
}

// example writes the operation of the first row, when it was due, and why it is a violation.
func (s *sheet) example(p *sections.Section) {
	if len(p.Rows) == 0 {
		return
	}
	r := &p.Rows[0]
	line := r.Label
	for i := range r.Cells {
		if text := r.Cells[i].Sentence(); text != "" {
			switch p.Head[i+1].Name {
			case "due":
				line += ", due at " + text
			case "why":
				line += ": " + text
			}
		}
	}
	s.wrap("    ", "for example "+line)
}
