// Package markdown renders a record as the summary on a pipeline's page, in GitHub's dialect of Markdown.
package markdown

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"wringer/reports"
)

// Render writes the verdict, the gates, the streams by window, the faults, the integrity anomalies and the validity.
func Render(w io.Writer, rec *reports.Record) error {
	p := &page{}
	p.head(rec.Run)
	p.gates(rec.Run.Gates)
	p.validity(&rec.Run.Validity)
	p.faults(rec.Run.Faults)
	p.streams(rec.Run)
	p.integrity(rec.Run)
	p.findings(rec.Run.Findings)
	p.foot(rec.Run)
	_, err := io.WriteString(w, p.String())
	return err
}

type page struct{ strings.Builder }

func (p *page) line(format string, args ...any) { fmt.Fprintf(p, format+"\n", args...) }

// row writes a table's row. The cells are Markdown.
func (p *page) row(cells ...string) { p.line("| %s |", strings.Join(cells, " | ")) }

// table writes a table's head: a column whose name ends in a colon is aligned to the right.
func (p *page) table(columns ...string) {
	rule := make([]string, len(columns))
	for i, c := range columns {
		rule[i] = "---"
		if name, right := strings.CutSuffix(c, ":"); right {
			columns[i], rule[i] = name, "--:"
		}
	}
	p.row(columns...)
	p.row(rule...)
}

func (p *page) head(run *reports.Run) {
	p.line("## %s %s: %s\n", symbol(run.Verdict), text(run.Name), text(string(run.Verdict)))
	p.line("**%s**\n", text(run.Headline()))
	for _, why := range run.Others() {
		p.line("- %s", text(why))
	}
	if len(run.Others()) > 0 {
		p.line("")
	}
	if run.About != "" {
		p.line("%s\n", text(run.About))
	}
}

func (p *page) gates(gates []reports.Gate) {
	p.line("### Gates\n")
	if len(gates) == 0 {
		p.line("The scenario has no gates.\n")
		return
	}
	p.table("", "gate", "observed:", "limit:", "why")
	for i := range gates {
		observed, limit := reports.GateValues(&gates[i])
		p.row(symbol(gates[i].Verdict), code(gates[i].Expr), text(observed), text(limit), text(gates[i].Why))
	}
	p.line("")
}

func (p *page) validity(v *reports.Validity) {
	p.line("### Validity\n")
	var facts []string
	for _, f := range v.Facts() {
		facts = append(facts, f.Label+" "+f.Value)
	}
	p.line("%s %s: %s\n", symbol(v.Verdict), text(string(v.Verdict)), text(strings.Join(facts, ", ")))
	for _, why := range v.Why {
		p.line("- %s", text(why))
	}
	if len(v.Why) > 0 {
		p.line("")
	}
}

func (p *page) faults(faults []reports.Fault) {
	if len(faults) == 0 {
		return
	}
	p.line("### Faults\n")
	p.table("fault", "what", "when", "bit", "healed", "detection:", "recovery:", "metastable")
	for i := range faults {
		f := &faults[i]
		what := strings.TrimSuffix(f.Spec+" on "+f.Place(), " on ")
		p.row(code(f.Title()), text(what), reports.Span(f.StartNS, f.EndNS), done(f.Bit)+text(f.Bite()), done(f.Healed)+text(join(f.Healing(), f.Error)),
			text(f.Detection()), text(f.Recovery()), f.Stuck())
	}
	p.line("")
}

// done marks what a fault did, or did not do, by which the run stands or is undecided.
func done(did bool) string {
	if did {
		return symbol(reports.Valid) + " "
	}
	return symbol(reports.Inconclusive) + " "
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

func (p *page) streams(run *reports.Run) {
	for _, name := range run.StreamNames() {
		s := run.Streams[name]
		p.line("### Stream %s\n", code(name))
		p.line("%s\n", text(s.Summary()))
		if s.Consumes() {
			p.published(run, s)
			continue
		}
		p.table("window", "offered:", "acked:", "rate:", "p50:", "p99:", "errors:", "retries:", "amplification:")
		for _, window := range run.WindowNames() {
			if m := s.Windows[window]; m != nil && m.Offered > 0 {
				p.measures(text(window), m)
			}
		}
		p.measures("**total**", &s.Total)
		p.line("")
		p.effects(run, s)
		if codes := s.Total.FailureCodes(); codes != "" {
			p.line("Failed attempts: %s\n", text(codes))
		}
		p.steps(s.Steps)
		p.details(s.Total.FirstDetails())
		p.messages(run, s)
		p.probes(run, name)
	}
}

// effects tells how long effects took, by window.
func (p *page) effects(run *reports.Run, s *reports.Stream) {
	if s.Total.Effect == nil {
		return
	}
	head := []string{"effect in"}
	for _, h := range reports.EffectHead {
		head = append(head, h+":")
	}
	p.table(head...)
	for _, window := range run.WindowNames() {
		if m := s.Windows[window]; m != nil && m.Effect != nil {
			p.row(append([]string{text(window)}, m.Effect.Cells()...)...)
		}
	}
	p.row(append([]string{"**total**"}, s.Total.Effect.Cells()...)...)
	p.line("")
}

// details tells what the first failed attempt of each code said.
func (p *page) details(details []reports.Fact) {
	for _, d := range details {
		p.line("- %s: %s", code(d.Label), text(d.Value))
	}
	if len(details) > 0 {
		p.line("")
	}
}

// messages tells what became of the messages within streaming calls.
func (p *page) messages(run *reports.Run, s *reports.Stream) {
	if s.Total.Messages == nil {
		return
	}
	head := []string{"messages in"}
	for _, name := range reports.MessageCounts() {
		head = append(head, name+":")
	}
	p.table(append(head, "first p50:", "first p99:", "gap p50:", "gap p99:")...)
	for _, window := range run.WindowNames() {
		if m := s.Windows[window]; m != nil && m.Messages != nil {
			p.row(messageCells(text(window), m.Messages)...)
		}
	}
	p.row(messageCells("**total**", s.Total.Messages)...)
	p.line("")
	for _, name := range reports.MessageAnomalies() {
		if e := s.Total.Messages.Evidence[name]; e != "" {
			p.line("- %s: %s\n", name, text(e))
		}
	}
}

func messageCells(label string, m *reports.Messages) []string {
	cells := []string{label}
	for _, name := range reports.MessageCounts() {
		cells = append(cells, reports.Measured(m.Count(name), reports.Count))
	}
	for _, l := range []*reports.Latency{m.First, m.Gap} {
		if l == nil {
			l = &reports.Latency{}
		}
		cells = append(cells, reports.Percentile(l, l.P50), reports.Percentile(l, l.P99))
	}
	return cells
}

// steps tells the steps of a chain, from the first to the last.
func (p *page) steps(steps []reports.Step) {
	if len(steps) == 0 {
		return
	}
	head := []string{"step"}
	for _, h := range reports.StepHead {
		head = append(head, h+":")
	}
	p.table(append(head, "failures by code")...)
	for i := range steps {
		cells := []string{code(steps[i].Name)}
		for _, c := range append(steps[i].Cells(), steps[i].FailureCodes()) {
			cells = append(cells, text(c))
		}
		p.row(cells...)
	}
	p.line("")
}

func (p *page) measures(label string, m *reports.Measures) {
	var p50, p99 *float64
	if m.Response != nil {
		p50, p99 = m.Response.P50, m.Response.P99
	}
	p.row(label, reports.Count(m.Offered), reports.Count(m.Acked), reports.Measured(m.Rate, reports.Rate),
		reports.Percentile(m.Response, p50), reports.Percentile(m.Response, p99), text(reports.Measured(m.ErrorShare(), reports.Share)),
		reports.Count(m.Retries), reports.Measured(m.Amplification, reports.Factor))
}

func (p *page) integrity(run *reports.Run) {
	p.line("### Integrity\n")
	found := run.Found()
	switch {
	case len(found) > 0:
		p.table("stream", "window", "anomaly", "operations:")
		for _, a := range found {
			p.row(code(a.Stream), text(a.Window), text(a.Count), reports.Count(a.N))
		}
		p.line("")
	case observed(run) && len(run.Unknowns()) > 0:
		p.line("No anomaly was found in what was measured.\n")
	case observed(run):
		p.line("No anomaly was found.\n")
	}
	for _, unknown := range run.Unknowns() {
		p.line("- %s", text(unknown))
	}
	if len(run.Unknowns()) > 0 {
		p.line("")
	}
}

// observed says whether the integrity of any stream was measured at all.
func observed(run *reports.Run) bool {
	for _, s := range run.Streams {
		if s.Total.Integrity != nil {
			return true
		}
	}
	return false
}

func (p *page) findings(findings []reports.Finding) {
	if len(findings) == 0 {
		return
	}
	p.line("### Findings\n")
	for _, f := range findings {
		p.line("- %s", text(f.Text))
	}
	p.line("")
}

func (p *page) foot(run *reports.Run) {
	p.line("Run %s, seed %d, version %s, started %s, measured %s.", code(run.ID), run.Seed, text(run.Version),
		run.Started.UTC().Format("2006-01-02 15:04:05 UTC"), reports.Duration(float64(run.DurationNS)))
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

// text escapes what Markdown and HTML would read as their own; it stays on one line.
func text(s string) string {
	var b strings.Builder
	for _, r := range plain(s) {
		if strings.ContainsRune("\\`*_[]<>|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// code is s as a code span, fit for a table: the fence is longer than any run of backticks in it, and a pipe, which ends
// a cell even inside of code, is escaped.
func code(s string) string {
	s = plain(s)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" || strings.TrimSpace(s) == "" {
		s = " " + s + " "
	}
	return fence + strings.ReplaceAll(s, "|", `\|`) + fence
}

// plain replaces what cannot be printed, line breaks among it.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
