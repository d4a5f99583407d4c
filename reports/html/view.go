package html

import (
	"fmt"
	"html/template"
	"strconv"

	"wringer/reports"
	"wringer/reports/sections"
)

// view is the data of the template.
type view struct {
	Run       *reports.Run
	Policy    string
	Style     template.CSS
	Library   template.JS
	Script    template.JS
	Licence   string
	Gates     part
	Validity  part
	Startup   part
	Faults    part
	Windows   part
	Parts     part
	Gauges    []gaugeChart
	Streams   []stream
	Integrity part
	Evidence  []evidence
	Findings  part
	About     part
	Chart     charts
	Scenario  string
}

// part is a section of the run.
type part struct {
	sections.Section
	ID    string
	Table *table
}

type stream struct {
	Name, ID string
	Summary  string
	Tables   []*table
	Sends    bool // the stream has operations and times of its own to draw
	Timed    bool // the times of its effects are drawn
	Phased   bool // phases or steps are drawn
}

// evidence holds the record's evidence of one kind of violation.
type evidence struct {
	part
	Numbers string // the numbers of violations found, kept and shown
}

func newView(rec *reports.Record) *view {
	run := rec.Run
	v := &view{
		Run: run, Policy: policy(), Style: template.CSS(style), Library: template.JS(library), Script: template.JS(script), Licence: licence,
		Chart: newCharts(run), Scenario: string(rec.Scenario), Evidence: newEvidence(rec),
	}
	ids := make(map[string]string)
	for _, e := range v.Evidence {
		if e.Anchor != "" {
			ids[e.Anchor] = "#" + e.ID
		}
	}
	add := func(to *part, s sections.Section) { *to = part{s, s.Name, newTable(&s, ids)} }
	add(&v.Gates, sections.Gates(run))
	v.Gates.Table.Caption = "every gate"
	add(&v.Validity, sections.Validity(run))
	add(&v.Faults, sections.Faults(run))
	v.Faults.Table.Caption = "what became of each fault"
	add(&v.Windows, sections.Windows(run))
	add(&v.Parts, sections.Parts(run))
	v.Gauges = v.Chart.Gauges
	add(&v.Integrity, sections.Integrity(run))
	v.Integrity.Table.Caption = "anomalies that were found"
	add(&v.Findings, sections.Findings(run))
	add(&v.Startup, sections.Startup(run))
	add(&v.About, sections.About(run))
	for i, name := range run.StreamNames() {
		v.Streams = append(v.Streams, newStream(run, name, i, ids))
	}
	return v
}

func newStream(run *reports.Run, name string, i int, ids map[string]string) stream {
	s := run.Streams[name]
	out := stream{Name: name, ID: streamID(i), Summary: sections.Summary(s), Sends: !s.Consumes(), Timed: s.Total.Effect != nil, Phased: len(bands(run, name)) > 0}
	for _, section := range sections.For(run, name) {
		out.Tables = append(out.Tables, newTable(&section, ids))
	}
	return out
}

func streamID(i int) string { return "stream-" + strconv.Itoa(i) }

// shownEvidence is the number of violations of a kind in a stream that the page shows.
const shownEvidence = 50

func newEvidence(rec *reports.Record) []evidence {
	var all []evidence
	for i, s := range sections.Evidence(rec) {
		shown := ", all shown"
		if len(s.Rows) > shownEvidence {
			s.Rows = s.Rows[:shownEvidence]
			shown = fmt.Sprintf(", the first %d shown", shownEvidence)
		}
		all = append(all, evidence{part{s, "evidence-" + strconv.Itoa(i), newTable(&s, nil)}, s.Aside + shown})
	}
	return all
}
