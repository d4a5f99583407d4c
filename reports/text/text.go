// Package text renders a record as the summary that stands in a terminal at the end of a run.
package text

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"wringer/reports"
)

// Options of Render.
type Options struct {
	// Width of the terminal in columns; 0 is 80, and less than 60 is 60. Nothing but an unbreakable word exceeds it.
	Width int
	// Color uses ANSI colours.
	Color bool
}

const (
	defaultWidth  = 80
	smallestWidth = 60
)

// Render writes the verdict with its reasons, the gates, the streams by window, the faults and the validity.
func Render(w io.Writer, rec *reports.Record, opt Options) error {
	s := newSheet(opt)
	s.verdict(rec.Run)
	s.gates(rec.Run.Gates)
	for _, name := range rec.Run.StreamNames() {
		s.stream(rec.Run, name)
	}
	s.faults(rec.Run.Faults)
	s.findings(rec.Run.Findings)
	s.validity(&rec.Run.Validity)
	_, err := io.WriteString(w, s.String())
	return err
}

func (s *sheet) verdict(run *reports.Run) {
	// The others stand with the gates, faults and validity that they come from.
	s.mark(run.Verdict, strings.ToUpper(string(run.Verdict))+"  "+run.Name)
	s.wrap("  ", run.Headline())
}

func (s *sheet) gates(gates []reports.Gate) {
	s.title("Gates", "")
	if len(gates) == 0 {
		s.wrap("  ", "the scenario has no gates")
		return
	}
	for i := range gates {
		g := &gates[i]
		observed, limit := reports.GateValues(g)
		s.mark(g.Verdict, s.spread(plain(g.Expr), observed, 4))
		if g.Verdict != reports.Pass {
			why := g.Why
			if limit != "" {
				why += " (limit " + limit + ")"
			}
			s.wrap("    ", why)
		}
	}
}

// integrityColumns are the counts that the streams' table shows where they were measured. A duplicate is either in the
// log or in the effects.
var integrityColumns = []struct {
	title  string
	counts []string
}{
	{"lost", []string{"lost"}},
	{"dup", []string{"log_duplicates", "effect_duplicates"}},
	{"order", []string{"order_violations"}},
}

func (s *sheet) stream(run *reports.Run, name string) {
	st := run.Streams[name]
	s.title(name, st.Summary())
	if st.Consumes() {
		s.published(run, st)
		return
	}
	t := table{head: []string{"", "rate", "p50", "p99", "errors", "retries"}}
	if st.Total.Integrity != nil {
		for _, c := range integrityColumns {
			t.head = append(t.head, c.title)
		}
	}
	for _, window := range run.WindowNames() {
		if m := st.Windows[window]; m != nil && (m.Offered > 0 || anomalous(m.Integrity)) {
			t.rows = append(t.rows, row(window, m, st.Total.Integrity != nil))
		}
	}
	t.rows = append(t.rows, row("total", &st.Total, st.Total.Integrity != nil))
	s.table(t)
	if slices.ContainsFunc(t.rows, func(cells []string) bool { return slices.Contains(cells, "-") }) {
		s.wrap("  ", "-: "+reports.NotMeasured)
	}
	s.effects(st)
	s.failures(&st.Total)
	s.messages(st.Total.Messages)
	s.steps(st.Steps)
	for _, note := range others(st.Total.Integrity) {
		s.wrap("  ", note)
	}
	for _, note := range st.Total.Probes() {
		s.wrap("  ", note)
	}
}

// effects tells how long effects took, in total.
func (s *sheet) effects(st *reports.Stream) {
	if facts := st.EffectFacts(); facts != "" {
		s.wrap("  ", facts)
	}
}

// failures tells the failed attempts by code, and what the first of each said.
func (s *sheet) failures(m *reports.Measures) {
	if codes := m.FailureCodes(); codes != "" {
		s.wrap("  ", "failed attempts: "+codes)
	}
	for _, detail := range m.FirstDetails() {
		s.wrap("    ", detail.Label+": "+detail.Value)
	}
}

// messages tells what became of the messages within streaming calls, in total.
func (s *sheet) messages(m *reports.Messages) {
	if m == nil {
		return
	}
	var facts []string
	for _, f := range m.Facts() {
		facts = append(facts, f.Label+" "+f.Value)
	}
	s.wrap("  ", "messages: "+strings.Join(facts, ", "))
	for _, name := range reports.MessageAnomalies() {
		if e := m.Evidence[name]; e != "" {
			s.wrap("    ", name+": "+e)
		}
	}
}

// steps tells the steps of a chain, from the first to the last.
func (s *sheet) steps(steps []reports.Step) {
	if len(steps) == 0 {
		return
	}
	t := table{head: append([]string{"step"}, reports.StepHead...)}
	for i := range steps {
		cells := []string{steps[i].Name}
		for _, c := range steps[i].Cells() {
			cells = append(cells, short(c))
		}
		t.rows = append(t.rows, cells)
	}
	s.table(t)
	for i := range steps {
		if codes := steps[i].FailureCodes(); codes != "" {
			s.wrap("  ", steps[i].Name+" failed: "+codes)
		}
	}
}

func row(label string, m *reports.Measures, integrity bool) []string {
	var p50, p99 *float64
	if m.Response != nil {
		p50, p99 = m.Response.P50, m.Response.P99
	}
	cells := []string{
		label, short(reports.Measured(m.Rate, reports.Rate)), short(reports.Percentile(m.Response, p50)),
		short(reports.Percentile(m.Response, p99)), short(reports.Measured(m.ErrorShare(), reports.Share)), reports.Count(m.Retries),
	}
	if integrity {
		for _, c := range integrityColumns {
			cells = append(cells, sum(m.Integrity, c.counts))
		}
	}
	return cells
}

// short is a dash for what was not measured: there is no room for the words.
func short(s string) string {
	if s == reports.NotMeasured {
		return "-"
	}
	if s == reports.NotKnown {
		return "?"
	}
	return s
}

// sum adds up the counts that were measured.
func sum(i *reports.Integrity, names []string) string {
	if len(names) == 1 {
		return short(reports.IntegrityCount(i, names[0]))
	}
	var total *int64
	for _, name := range names {
		if n := i.Count(name); n != nil {
			if total == nil {
				total = new(int64)
			}
			*total += *n
		}
	}
	return short(reports.Measured(total, reports.Count))
}

func anomalous(i *reports.Integrity) bool {
	for _, name := range reports.Anomalies() {
		if n := i.Count(name); n != nil && *n > 0 {
			return true
		}
	}
	return false
}

// others tells the anomalies that have no column, and what lost is when it is not known.
func others(i *reports.Integrity) []string {
	var notes []string
	for _, name := range []string{"phantom", "unexpected"} {
		if n := i.Count(name); n != nil && *n > 0 {
			notes = append(notes, name+": "+reports.Count(*n))
		}
	}
	if reports.IntegrityCount(i, "lost") == reports.NotKnown {
		notes = append(notes, "lost is not known: "+reports.Count(*i.Unseen)+" acked operations unseen when observation ended")
	}
	return notes
}

func (s *sheet) faults(faults []reports.Fault) {
	if len(faults) == 0 {
		return
	}
	s.title("Faults", "")
	for i := range faults {
		f := &faults[i]
		v := reports.Pass
		if !f.Bit || !f.Healed || f.Error != "" {
			v = reports.Inconclusive
		}
		s.mark(v, s.spread(plain(f.Title()), reports.Span(f.StartNS, f.EndNS), 4))
		s.wrap("    ", strings.TrimSuffix(f.Spec+" on "+f.Place(), " on "))
		told := []string{f.Bite(), f.Healing(), "detection " + f.Detection(), recovery(f)}
		if f.Metastable != nil && *f.Metastable {
			told = append(told, "metastable: bad after the fault was gone")
		}
		s.wrap("    ", strings.Join(told, "; "))
		if f.Error != "" {
			s.wrap("    ", f.Error)
		}
	}
}

func recovery(f *reports.Fault) string {
	if f.Recovered != nil && !*f.Recovered {
		return f.Recovery() // says so itself
	}
	return "recovery " + f.Recovery()
}

func (s *sheet) findings(findings []reports.Finding) {
	if len(findings) == 0 {
		return
	}
	s.title("Findings", "")
	for _, f := range findings {
		s.wrap("  ", f.Text)
	}
}

func (s *sheet) validity(v *reports.Validity) {
	s.title("Validity", "")
	s.mark(v.Verdict, string(v.Verdict))
	var facts []string
	for _, f := range v.Facts() {
		facts = append(facts, fmt.Sprintf("%s %s", f.Label, f.Value))
	}
	s.wrap("    ", strings.Join(facts, ", "))
	for _, why := range v.Why {
		s.wrap("    ", why)
	}
}
