package html

import (
	"fmt"
	"html/template"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
	"wringer/reports/system"
)

// view is the data of the template.
type view struct {
	Run       *reports.Run
	Policy    string
	Style     template.CSS
	Library   template.JS
	Script    template.JS
	Licence   string
	Cards     []gateCard
	Held      part
	Open      part     // gates that a run which goes on leaves open so far
	Reasons   []string // beside the headline, without those that a card gives
	Tally     string   // how many gates held, failed and are inconclusive
	Timeline  timeline
	Picture   *picture
	Changes   part
	Glossary  []sections.Term
	Validity  part
	Startup   part
	Faults    part
	Windows   part
	Parts     part
	Links     part
	Observed  part
	Series    []gaugeChart
	Gauges    []gaugeChart
	LinkRates []gaugeChart
	Streams   []stream
	Integrity part
	Evidence  []evidence
	Findings  part
	About     part
	Chart     charts
	Scenario  string
	Edition   string // which one of a run that goes on; empty: the run is over, and the page does not change
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
	Gauges   []gaugeChart
	Spread   *gaugeChart // by percentile; nil: nothing was answered
	Sends    bool        // the stream has operations and times of its own to draw
	Timed    bool        // the times of its effects are drawn
	Phased   bool        // phases or steps are drawn
	Busy     bool        // busy seconds are drawn
	Heat     bool        // answers are counted by time and response time
}

// evidence holds the record's evidence of one kind of violation.
type evidence struct {
	part
	Of      string // the kind
	Numbers string // the numbers of violations found, kept and shown
	Stories []*story
}

// gateCard is a gate that did not hold.
type gateCard struct {
	sections.Row
	Verdict reports.Verdict
	Facts   []sections.Cell // observed, limit, window
	Why     string
	Spark   *spark
}

func newView(rec *reports.Record) *view {
	run := rec.Run
	v := &view{
		Run: run, Policy: policy(script), Style: template.CSS(style), Library: template.JS(library), Script: template.JS(script), Licence: licence,
		Chart: newCharts(run), Scenario: string(rec.Scenario), Evidence: newEvidence(rec),
	}
	ids := make(map[string]string)
	for _, e := range v.Evidence {
		if e.Anchor != "" {
			ids[e.Anchor] = "#" + e.ID
		}
	}
	add := func(to *part, s sections.Section) { *to = part{s, s.Name, newTable(&s, ids)} }
	v.Cards, v.Held, v.Open = gates(run, ids)
	v.Tally, v.Reasons = tally(run), reasons(run)
	v.Timeline = newTimeline(rec, v.Evidence)
	v.Picture, v.Chart.Picture = newPicture(system.New(rec))
	v.Glossary = sections.Glossary()
	add(&v.Changes, sections.Changes(run))
	v.Changes.Table.Caption = "each window against the baseline"
	add(&v.Validity, sections.Validity(run))
	add(&v.Faults, sections.Faults(run))
	v.Faults.Table.Caption = "what became of each fault"
	add(&v.Windows, sections.Windows(run))
	add(&v.Parts, sections.Parts(run))
	add(&v.Links, sections.Links(run))
	v.Gauges, v.LinkRates, v.Series = v.Chart.Gauges, v.Chart.Links, v.Chart.Observed
	observed := sections.Observed(run)
	if more := moreObserved(run); more != "" {
		observed.Notes = append(observed.Notes, more)
	}
	add(&v.Observed, observed)
	v.Chart.Parts = partCharts(run)
	add(&v.Integrity, sections.Integrity(run))
	v.Integrity.Table.Caption = "anomalies that were found"
	add(&v.Findings, sections.Findings(run))
	add(&v.Startup, sections.Startup(run))
	add(&v.About, sections.About(run))
	for i, name := range run.StreamNames() {
		st := newStream(run, name, i, ids)
		v.Streams = append(v.Streams, st)
		v.Chart.StreamGauges = append(v.Chart.StreamGauges, st.Gauges...)
		if st.Spread != nil {
			v.Chart.Spreads = append(v.Chart.Spreads, *st.Spread)
		}
	}
	return v
}

// gates are the gates that did not hold, each with its curve. The others are in tables: those that held, and those that are open so far.
func gates(run *reports.Run, ids map[string]string) (cards []gateCard, held, open part) {
	s := sections.Gates(run)
	some := func(caption string, in func(*reports.Gate) bool) part {
		of := s
		of.Rows = nil
		for i := range run.Gates {
			if in(&run.Gates[i]) {
				of.Rows = append(of.Rows, s.Rows[i])
			}
		}
		p := part{of, s.Name, newTable(&of, ids)}
		p.Table.Caption = caption
		return p
	}
	holds := func(g *reports.Gate) bool { return g.Verdict == reports.Pass }
	isOpen := func(g *reports.Gate) bool { return run.Verdict == Running && g.Verdict == reports.Inconclusive }
	for i := range run.Gates {
		if g, r := &run.Gates[i], s.Rows[i]; !holds(g) && !isOpen(g) {
			cards = append(cards, gateCard{r, g.Verdict, r.Cells[:3], r.Cells[3].Text, newSpark(run, g)})
		}
	}
	return cards, some("the gates that held", holds), some("the gates that are open so far", isOpen)
}

// reasons are those of the verdict beside the headline that are not about one gate: a card tells those.
func reasons(run *reports.Run) []string {
	return slices.DeleteFunc(slices.Clone(run.Others()), func(why string) bool {
		return slices.ContainsFunc(run.Gates, func(g reports.Gate) bool { return g.Verdict != reports.Pass && strings.HasPrefix(why, g.Expr+": ") })
	})
}

// tally counts the gates by their verdicts; empty for a run that passed.
func tally(run *reports.Run) string {
	if run.Verdict == reports.Pass {
		return "" // the headline says it
	}
	undecided := "inconclusive"
	if run.Verdict == Running {
		undecided = "open"
	}
	n := make(map[reports.Verdict]int)
	for i := range run.Gates {
		n[run.Gates[i].Verdict]++
	}
	var all []string
	for _, c := range []struct {
		verdict reports.Verdict
		words   string
	}{{reports.Fail, "failed"}, {reports.Inconclusive, undecided}, {reports.Pass, "held"}} {
		if n[c.verdict] > 0 {
			all = append(all, fmt.Sprintf("%d %s", n[c.verdict], c.words))
		}
	}
	return strings.Join(all, ", ")
}

func newStream(run *reports.Run, name string, i int, ids map[string]string) stream {
	s := run.Streams[name]
	out := stream{Name: name, ID: streamID(i), Summary: sections.Summary(s), Sends: !s.Consumes(), Timed: s.Total.Effect != nil, Phased: len(bands(run, name)) > 0}
	out.Busy = slices.ContainsFunc(s.Seconds, func(row reports.Second) bool { return row.Busy })
	for _, section := range sections.For(run, name) {
		t := newTable(&section, ids)
		if id := out.ID + "-" + section.Name; !slices.ContainsFunc(out.Tables, func(o *table) bool { return o.ID == id }) {
			t.ID = id
		}
		out.Tables = append(out.Tables, t)
	}
	out.Heat = s.Heat != nil && out.Sends
	out.Gauges = streamGauges(run, name, out.ID)
	out.Spread = distribution(run, name, out.ID)
	return out
}

func streamID(i int) string { return "stream-" + strconv.Itoa(i) }

// shownEvidence is the number of violations of a kind in a stream that the page shows.
const shownEvidence = 50

func newEvidence(rec *reports.Record) []evidence {
	var all []evidence
	kept := sections.Kept(rec)
	for i, s := range sections.Evidence(rec) {
		shown := ", all shown"
		if len(s.Rows) > shownEvidence {
			s.Rows = s.Rows[:shownEvidence]
			shown = fmt.Sprintf(", the first %d shown", shownEvidence)
		}
		e := evidence{part: part{s, "evidence-" + strconv.Itoa(i), newTable(&s, nil)}, Of: kept[i][0].Kind, Numbers: s.Aside + shown}
		for _, v := range kept[i][:min(len(kept[i]), drawnStories)] {
			if one := newStory(rec.Run, v); one != nil {
				e.Stories = append(e.Stories, one)
			}
		}
		all = append(all, e)
	}
	return all
}
