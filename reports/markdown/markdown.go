// Package markdown renders a record as the summary on a pipeline's page, in GitHub's dialect of Markdown.
package markdown

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"io"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
	"wringer/reports/timeline"
)

// Render writes the verdict, the gates, the validity, the faults, the windows, the streams, the integrity and the findings.
func Render(w io.Writer, rec *reports.Record) error {
	run := rec.Run
	p := &page{}
	p.head(run)
	p.timeline(rec)
	p.part(sections.Gates(run))
	p.part(sections.Validity(run))
	p.part(sections.Changes(run))
	p.part(sections.Faults(run))
	p.part(sections.Windows(run))
	p.part(sections.Parts(run))
	p.part(sections.Links(run))
	p.part(sections.ObservedByGates(run))
	for _, name := range run.StreamNames() {
		p.line("### Stream %s\n", code(name))
		p.line("%s\n", text(sections.Summary(run.Streams[name])))
		p.stream(sections.For(run, name))
	}
	p.part(sections.Integrity(run))
	p.evidence(sections.Evidence(rec))
	p.part(sections.Findings(run))
	p.part(sections.Startup(run))
	p.part(sections.About(run))
	_, err := io.WriteString(w, strings.TrimSuffix(p.String(), "\n"))
	return err
}

// RenderAll writes a table of several records with their verdicts, and then each of them.
func RenderAll(w io.Writer, records []*reports.Record) error {
	p := &page{}
	p.line("## %s\n", text(reports.RunTally(records)))
	p.line("| | scenario | verdict | why |\n|---|---|---|---|")
	for _, rec := range records {
		p.line("| %s | %s | %s | %s |", symbol(rec.Run.Verdict), text(rec.Run.Name), text(string(rec.Run.Verdict)), text(rec.Run.Headline()))
	}
	p.line("")
	if _, err := io.WriteString(w, p.String()); err != nil {
		return err
	}
	for _, rec := range records {
		if err := Render(w, rec); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return err
		}
	}
	return nil
}

type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

func (p *page) head(run *reports.Run) {
	p.line("## %s %s: %s\n", symbol(run.Verdict), text(run.Name), text(string(run.Verdict)))
	p.line("**%s**\n", text(run.Headline()))
	p.list(run.Others())
	if run.About != "" {
		p.line("%s\n", text(run.About))
	}
}

// mostPicture bounds the picture. GitHub takes a summary of at most 1 MiB for a step.
const mostPicture = 64 << 10

// timeline puts the timeline into the page as a picture. A page that shows no picture within its text shows the words in its place.
func (p *page) timeline(rec *reports.Record) {
	var b bytes.Buffer
	if err := timeline.Render(&b, rec); err != nil || b.Len() > mostPicture || len(rec.Run.Streams) == 0 {
		return
	}
	p.line("<img alt=\"%s\" src=\"data:image/svg+xml;base64,%s\">\n", html.EscapeString(timeline.Alt(rec.Run)), base64.StdEncoding.EncodeToString(b.Bytes()))
}

// list writes texts as the items of a list.
func (p *page) list(items []string) {
	for _, item := range items {
		p.line("- %s", text(item))
	}
	if len(items) > 0 {
		p.line("")
	}
}

// part writes a section of the run under its own heading.
func (p *page) part(s sections.Section) {
	if s.Empty() {
		return
	}
	p.line("### %s\n", text(s.Title))
	if s.Pairs {
		p.pairs(&s)
	} else {
		p.table(s.Within(sections.Usual))
	}
	p.list(s.Notes)
}

// pairs writes names and values in one paragraph.
func (p *page) pairs(s *sections.Section) {
	verdict := ""
	if s.Verdict != "" {
		verdict = symbol(s.Verdict) + " " + text(string(s.Verdict)) + ": "
	}
	p.line("%s%s\n", verdict, text(s.Paragraph()))
}

// stream writes the sections of a stream: a table of the most important figures, and the others below.
func (p *page) stream(all []sections.Section) {
	p.table(sections.Overview(all, sections.Usual))
	for _, s := range all {
		switch {
		case s.InOverview():
		case s.ByWindow() && s.Rank == sections.Usual:
			p.line("**%s, by window**\n", text(s.Title))
			p.table(s.Within(sections.Usual))
		default:
			p.list(s.Lines())
		}
		p.list(s.Notes)
	}
}

// evidence writes how much evidence the record keeps.
func (p *page) evidence(all []sections.Section) {
	if len(all) == 0 {
		return
	}
	p.line("### Evidence\n")
	var items []string
	for _, s := range all {
		items = append(items, s.Title+": "+s.Aside)
	}
	p.list(items)
}

// table writes a table; figures are aligned to the right.
func (p *page) table(s sections.Section) {
	if len(s.Rows) == 0 {
		return
	}
	verdicts := slices.ContainsFunc(s.Rows, func(r sections.Row) bool { return r.Verdict != "" })
	var head, rule []string
	if verdicts {
		head, rule = []string{""}, []string{"---"}
	}
	for i, c := range s.Head {
		head = append(head, text(c.Name))
		if i > 0 && c.Kind.Numeric() {
			rule = append(rule, "--:")
		} else {
			rule = append(rule, "---")
		}
	}
	p.row(head)
	p.row(rule)
	for i := range s.Rows {
		r := &s.Rows[i]
		var cells []string
		if verdicts {
			cells = []string{symbol(r.Verdict)}
		}
		cells = append(cells, label(r))
		for _, c := range r.Cells {
			cells = append(cells, mark(c.State)+text(c.Sentence()))
		}
		p.row(cells)
	}
	p.line("")
}

// row writes a table's row. The cells are Markdown.
func (p *page) row(cells []string) { p.line("| %s |", strings.Join(cells, " | ")) }

func label(r *sections.Row) string {
	switch {
	case r.Code:
		return code(r.Label)
	case r.Total:
		return "**" + text(r.Label) + "**"
	}
	return text(r.Label)
}

// mark shows which cells decide the run or leave it undecided.
func mark(s sections.State) string {
	switch s {
	case sections.Good:
		return symbol(reports.Valid) + " "
	case sections.Doubt:
		return symbol(reports.Inconclusive) + " "
	}
	return ""
}

func symbol(v reports.Verdict) string {
	switch v {
	case reports.Pass, reports.Valid:
		return "✅"
	case reports.Fail:
		return "❌"
	}
	return "❔"
}

// text escapes the characters with a meaning in Markdown and HTML. The text stays on one line.
func text(s string) string {
	var b strings.Builder
	for _, r := range sections.OneLine(s) {
		if strings.ContainsRune("\\`*_[]<>|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code is s as a code span, fit for a table. The fence is longer than any run of backticks in s. A pipe is escaped, because it
// ends a cell even inside code.
func code(s string) string {
	s = sections.OneLine(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" || strings.TrimSpace(s) == "" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}
