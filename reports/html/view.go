package html

import (
	"fmt"
	"html/template"
	"slices"
	"sort"
	"strconv"
	"strings"

	"wringer/reports"
)

// view is what the template shows. Its texts are plain: the template escapes them.
type view struct {
	Run      *reports.Run
	Policy   string
	Style    template.CSS
	Library  template.JS
	Script   template.JS
	Licence  string
	Held     string
	Gates    []gate
	Validity []reports.Fact
	Faults   *table
	Goal     string // of a recovery
	Streams  []stream
	Chart    charts
	Evidence []evidence
	Scenario string
	Facts    []reports.Fact
}

type gate struct {
	*reports.Gate
	Seen, Bound, Where string
}

// stream is one stream's section.
type stream struct {
	Name, ID string
	Summary  string
	Tables   []*table
	Sends    bool   // it has operations and times of its own to draw
	Timed    bool   // the times of its effects are drawn
	Missing  string // what of the integrity was not measured
	Notes    []string
	Gauges   *table
}

func newView(rec *reports.Record) *view {
	run := rec.Run
	v := &view{
		Run: run, Policy: policy(), Style: template.CSS(style), Library: template.JS(library), Script: template.JS(script), Licence: licence,
		Validity: run.Validity.Facts(), Faults: faultTable(run), Chart: newCharts(run), Evidence: newEvidence(rec),
		Scenario: string(rec.Scenario), Facts: facts(run),
	}
	held := 0
	for i := range run.Gates {
		g := &run.Gates[i]
		if g.Verdict == reports.Pass {
			held++
		}
		v.Gates = append(v.Gates, newGate(g))
	}
	v.Held = fmt.Sprintf("%d of %d gates held", held, len(run.Gates))
	for i := range run.Faults {
		if run.Faults[i].RecoveryGoal != "" {
			v.Goal = run.Faults[i].RecoveryGoal
		}
	}
	for i, name := range run.StreamNames() {
		v.Streams = append(v.Streams, newStream(run, name, i))
	}
	return v
}

func newGate(g *reports.Gate) gate {
	seen, bound := reports.GateValues(g)
	where := "the whole run"
	if g.Window != nil {
		where = *g.Window
	}
	return gate{Gate: g, Seen: seen, Bound: bound, Where: where}
}

func newStream(run *reports.Run, name string, i int) stream {
	s := run.Streams[name]
	out := stream{Name: name, ID: streamID(i), Summary: s.Summary()}
	out.Sends = !s.Consumes()
	if out.Sends {
		out.Tables = []*table{operationTable(run, name), attemptTable(run, name)}
	}
	if s.Total.Effect != nil {
		out.Timed = true
		out.Tables = append(out.Tables, effectTable(run, name))
	}
	if t := detailTable(name, &s.Total); t != nil {
		out.Tables = append(out.Tables, t)
	}
	if s.Total.Messages != nil {
		out.Tables = append(out.Tables, messageTable(run, name))
	}
	for i := range s.Steps {
		out.Tables = append(out.Tables, stepTable(run, name, &s.Steps[i]))
	}
	switch {
	case s.Total.Integrity != nil:
		t, missing := integrityTable(run, name)
		out.Tables = append(out.Tables, t)
		out.Missing = s.Judged()
		if len(missing) > 0 && out.Sends {
			out.Missing = "Not measured: " + strings.Join(missing, ", ") + "."
		}
	case s.Effects == "":
		out.Missing = "Integrity: not measured. Nothing observed the effects of this stream."
	default:
		out.Missing = "Integrity: not measured."
	}
	out.Tables = append(out.Tables, probeTables(run, name)...)
	if s.Total.Group != nil {
		out.Tables, out.Notes = append(out.Tables, groupTable(run, name)), s.GroupFacts()
		if len(s.Strikes) > 0 {
			out.Tables = append(out.Tables, strikeTable(name, s.Strikes))
		}
	}
	if len(s.Gauges) > 0 {
		out.Gauges = gaugeTable(name, s)
	}
	return out
}

// streamID names a stream in the page by its place among the sorted names.
func streamID(i int) string { return "stream-" + strconv.Itoa(i) }

func facts(run *reports.Run) []reports.Fact {
	all := []reports.Fact{
		{Label: "run", Value: run.ID},
		{Label: "seed", Value: strconv.FormatInt(run.Seed, 10)},
		{Label: "version", Value: run.Version},
		{Label: "started", Value: run.Started.UTC().Format("2006-01-02 15:04:05 UTC")},
		{Label: "warm-up", Value: reports.Duration(float64(run.WarmupNS))},
		{Label: "measured", Value: reports.Duration(float64(run.DurationNS)) + " of " + reports.Duration(float64(run.PlannedNS)) + " planned"},
		{Label: "exit code", Value: strconv.Itoa(run.Exit)},
		{Label: "host", Value: fmt.Sprintf("%s/%s, %d CPUs, %s", run.Host.OS, run.Host.Arch, run.Host.CPUs, run.Host.Go)},
	}
	if !run.Complete {
		all = append(all, reports.Fact{Label: "complete", Value: "no: operations were still under way when this record was written"})
	}
	names := make([]string, 0, len(run.Settings))
	for name := range run.Settings {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		all = append(all, reports.Fact{Label: "--set " + name, Value: run.Settings[name]})
	}
	return all
}

// evidence is what is shown of the violations of one kind in one stream.
type evidence struct {
	Kind, Stream string
	Told         string // how many there are, were kept and are shown
	Shown        []violation
}

type violation struct {
	*reports.Violation
	Due      string
	Number   string // of the operation; empty where it has none
	Tries    []string
	Sighting []string
}

// shownEvidence is how many violations of a kind and stream a page shows.
const shownEvidence = 50

// newEvidence groups the violations by stream and kind, in the order of their first.
func newEvidence(rec *reports.Record) []evidence {
	type group struct{ stream, kind string }
	var order []group
	kept := make(map[group][]*reports.Violation)
	for i := range rec.Violations {
		v := &rec.Violations[i]
		g := group{v.Stream, v.Kind}
		if kept[g] == nil {
			order = append(order, g)
		}
		kept[g] = append(kept[g], v)
	}
	var all []evidence
	for _, g := range order {
		e := evidence{Kind: g.kind, Stream: g.stream}
		for _, v := range kept[g][:min(len(kept[g]), shownEvidence)] {
			shown := newViolation(v)
			if s := rec.Run.Streams[g.stream]; s == nil || s.Numbers(g.kind) {
				shown.Number = "number " + strconv.FormatUint(v.Seq, 10)
			}
			e.Shown = append(e.Shown, shown)
		}
		e.Told = share(rec.Run, g.stream, g.kind, len(kept[g]), len(e.Shown))
		all = append(all, e)
	}
	return all
}

// share says how much of the evidence this is.
func share(run *reports.Run, stream, kind string, kept, shown int) string {
	counted := ""
	if s := run.Streams[stream]; s != nil {
		if n := s.Total.Count(reports.EvidenceOf(kind)); n != nil {
			counted = reports.Count(*n) + " counted, "
		}
	}
	if kept == shown {
		return fmt.Sprintf("%s%d kept as evidence, all shown", counted, kept)
	}
	return fmt.Sprintf("%s%d kept as evidence, the first %d shown", counted, kept, shown)
}

func newViolation(v *reports.Violation) violation {
	out := violation{Violation: v, Due: reports.Measured(v.PlannedNS, reports.Moment)}
	for _, at := range v.Attempts {
		text := fmt.Sprintf("%s – %s: %s", reports.Moment(at.SentNS), reports.Moment(at.DoneNS), at.Outcome)
		out.Tries = append(out.Tries, strings.Join(slices.DeleteFunc([]string{text, at.Code, at.Detail}, func(s string) bool { return s == "" }), ", "))
	}
	for _, s := range v.Seen {
		text := reports.Moment(s.AtNS)
		if s.Partition != nil && s.Offset != nil {
			text += fmt.Sprintf(": partition %d, offset %d", *s.Partition, *s.Offset)
		}
		if s.Origin != "" {
			text += ", from " + s.Origin
		}
		out.Sighting = append(out.Sighting, text)
	}
	return out
}
