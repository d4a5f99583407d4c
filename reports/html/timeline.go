package html

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// timeline is the whole run in rows: the streams, the links with a witness, the parts, and series of the target.
type timeline struct {
	Rows []track
	Note string // which rows are left out; empty: none
}

// track is a row of the timeline.
type track struct {
	ID    string // of the data that it draws
	Kind  string // stream, link, part, series
	Name  string
	About string
	Href  string // the section with its figures
	Pins  []pin
}

// pin marks a finding, and leads to its evidence.
type pin struct {
	At   string // seconds from the begin of the run
	Text string
	Href string
	Kind string // lost, copied, order, ended, or other: how it looks
	Sign string // a letter: colour alone must not carry the meaning
	at   int64
}

// mostParts is the number of parts in the timeline.
const mostParts = 24

// partPoints is the most points of a part's curve in the timeline.
const partPoints = 300

func newTimeline(rec *reports.Record, evidence []evidence) timeline {
	run, t := rec.Run, timeline{}
	pins := newPins(rec, evidence)
	for i, name := range run.StreamNames() {
		s := run.Streams[name]
		id := streamID(i)
		about := s.Driver + ", " + s.Plan
		if s.Consumes() {
			about = s.Driver + ", sends nothing"
		}
		t.Rows = append(t.Rows, track{id, "stream", name, about, "#" + id, pins.sorted("stream " + name)})
	}
	for i, name := range run.LinkNames() {
		if len(run.Links[name].Seconds) > 0 {
			t.Rows = append(t.Rows, track{"link-" + strconv.Itoa(i), "link", name, "link, requests", "#links", pins.sorted("link " + name)})
		}
	}
	parts := timelineParts(run)
	var notes []string
	for i, name := range parts {
		if i == mostParts {
			notes = append(notes, fmt.Sprintf("%d further parts are in the section of the parts", len(parts)-i))
			break
		}
		t.Rows = append(t.Rows, track{"part-" + strconv.Itoa(i), "part", name, "part, its processors", partSection(run), pins.sorted("part " + name)})
	}
	series, more := observedRows(run)
	if t.Rows = append(t.Rows, series...); more > 0 {
		notes = append(notes, fmt.Sprintf("%d further series are in the section of the series", more))
	}
	t.Note = strings.Join(notes, "; ")
	return t
}

// partSection is the section that tells more of a part: its figures, or what a fault did to it.
func partSection(run *reports.Run) string {
	if len(run.Parts) == 0 {
		return "#faults"
	}
	return "#parts"
}

// timelineParts lists the parts that were measured, or that a fault broke, or that ended: the last two first.
func timelineParts(run *reports.Run) []string {
	struck := make(map[string]bool)
	for i := range run.Faults {
		if part := run.Faults[i].Part; part != nil {
			struck[*part] = true
		}
	}
	for i := range run.Findings {
		if part := run.Findings[i].Part; part != "" {
			struck[part] = true
		}
	}
	names := highest(run, "cpu_cores")
	for _, name := range slices.Sorted(maps.Keys(struck)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(bit(struck[b]), bit(struck[a])) })
	return names
}

// partCharts are the processors in use of the timeline's parts.
func partCharts(run *reports.Run) []gaugeChart {
	all := []gaugeChart{}
	g := newGrid(run.DurationNS)
	if g.piece == 1 && g.length > partPoints {
		g.piece = pieceOf(g.length, partPoints)
	}
	for i, name := range timelineParts(run) {
		if i == mostParts {
			break
		}
		all = append(all, gaugeChart{ID: "part-" + strconv.Itoa(i), Unit: "cores", Time: g.time(), Step: g.step(), Phases: []chartBand{},
			Lines: []gaugeLine{{"cpu", "p50", g.values(gaugeOf(run, name, "cpu_cores"))}}})
	}
	return all
}

// gaugeOf are the readings of a part's gauge; none where the part was not measured.
func gaugeOf(run *reports.Run, part, gauge string) []reports.Sample {
	if p := run.Parts[part]; p != nil {
		return p.Gauges[gauge]
	}
	return nil
}

// pins are the findings of each row.
type pins map[string][]pin

func (p pins) add(row string, one pin) { p[row] = append(p[row], one) }

// sorted are a row's pins in the order of time.
func (p pins) sorted(row string) []pin {
	all := p[row]
	slices.SortStableFunc(all, func(a, b pin) int { return cmp.Compare(a.at, b.at) })
	for i := range all {
		all[i].At = strconv.FormatFloat(seconds(max(all[i].at, 0)), 'f', -1, 64)
	}
	return all
}

// newPins finds what the record tells with a time: kept evidence, absences and blocks, parts that ended or restarted. A count without
// a time stands at the begin of its window.
func newPins(rec *reports.Record, all []evidence) pins {
	p, run := make(pins), rec.Run
	for i, kept := range sections.Kept(rec) {
		p.evidence(run, kept, "#"+all[i].ID)
	}
	for i, name := range run.StreamNames() {
		p.counts(run, name, streamID(i), all)
		p.stream(run, name, streamID(i))
	}
	p.faults(run)
	for i := range run.Findings {
		if f := &run.Findings[i]; f.AtNS != nil && f.Part != "" {
			text := " ended by itself at " + reports.Moment(*f.AtNS)
			if f.Kind == reports.PartStarved {
				text = " was short of memory, and processes in it ended from " + reports.Moment(*f.AtNS) + " on"
			}
			p.add("part "+f.Part, pin{at: *f.AtNS, Text: f.Part + text, Href: "#findings", Kind: "ended", Sign: "E"})
		}
	}
	for _, name := range timelineParts(run) {
		last := 0.0
		for i, s := range gaugeOf(run, name, "restarts") {
			if i > 0 && s.Value > last {
				p.add("part "+name, pin{at: s.AtNS, Text: name + " restarted before " + reports.Moment(s.AtNS), Href: "#parts", Kind: "ended", Sign: "R"})
			}
			last = s.Value
		}
	}
	return p
}

// pinsOfARun is the number of pieces of a run in which violations of a kind share a pin.
const pinsOfARun = 30

// evidence puts the kept violations of one kind on the timeline. Those that are close together share a pin.
func (p pins) evidence(run *reports.Run, kept []*reports.Violation, href string) {
	piece := max(run.DurationNS/pinsOfARun, 1)
	for from := 0; from < len(kept); {
		at := happenedAt(kept[from])
		to := from + 1
		for to < len(kept) && at != nil && happenedAt(kept[to]) != nil && *happenedAt(kept[to])-*at < piece && *at-*happenedAt(kept[to]) < piece {
			to++
		}
		if at != nil {
			v := kept[from]
			what := strings.ReplaceAll(v.Kind, "_", " ")
			text := what + " at " + reports.Moment(*at)
			if n := to - from; n > 1 {
				text = fmt.Sprintf("%d times %s from %s on", n, what, reports.Moment(*at))
			}
			row := "stream " + v.Stream
			if v.Link != "" {
				row = "link " + v.Link
			}
			kind, sign := looks(v.Kind)
			p.add(row, pin{at: *at, Text: text, Href: href, Kind: kind, Sign: sign})
		}
		from = to
	}
}

// happenedAt is when a violation began: when its operation was sent or due, or when it was first seen.
func happenedAt(v *reports.Violation) *int64 {
	at := cmp.Or(v.SentNS, v.PlannedNS, v.DoneNS)
	if at == nil && len(v.Seen) > 0 {
		at = &v.Seen[0].AtNS
	}
	return at
}

// looks is how a kind of violation, or a count, looks on the timeline.
func looks(kind string) (class, sign string) {
	switch {
	case strings.Contains(kind, "lost"), strings.HasPrefix(kind, "gap"):
		return "lost", "L"
	case strings.Contains(kind, "duplicate"), strings.Contains(kind, "redelivered"), kind == "arrived_twice":
		return "copied", "D"
	case strings.Contains(kind, "order"), strings.Contains(kind, "regression"):
		return "order", "O"
	}
	return "other", "!"
}

// counts puts a defect without timed evidence at the begin of the window that counts it.
func (p pins) counts(run *reports.Run, stream, id string, all []evidence) {
	for _, d := range run.Described() {
		if !d.Anomaly {
			continue
		}
		proved := slices.ContainsFunc(all, func(e evidence) bool {
			return e.Anchor != "" && e.Stream == stream && run.CountOf(d.Evidence) == d.Name && e.Of == d.Evidence
		})
		if proved {
			continue
		}
		for _, w := range run.WindowNames() {
			if n := run.Streams[stream].Windows[w].Count(d.Name); n != nil && *n > 0 {
				kind, sign := looks(d.Name)
				p.add("stream "+stream, pin{at: begin(run, stream, w), Text: reports.Count(*n) + " " + strings.ReplaceAll(d.Name, "_", " ") + " in " + w, Href: "#" + id, Kind: kind, Sign: sign})
			}
		}
	}
}

// stream puts the absences of a group's members, its rebalances and the blocks of connections on the timeline.
func (p pins) stream(run *reports.Run, name, id string) {
	s, row := run.Streams[name], "stream "+name
	for _, w := range run.WindowNames() {
		if n := s.Windows[w].Count("rebalances"); n != nil && *n > 0 {
			p.add(row, pin{at: begin(run, name, w), Text: reports.Counted(*n, "rebalance") + " in " + w, Href: "#" + id + "-group", Kind: "ended", Sign: "M"})
		}
	}
	for _, a := range s.Strikes {
		p.add(row, pin{at: a.AtNS, Text: fmt.Sprintf("member %d: %s at %s", a.Member, a.Kind, reports.Moment(a.AtNS)), Href: "#" + id + "-absences", Kind: "ended", Sign: "M"})
	}
	for _, b := range s.Blocks {
		p.add(row, pin{at: b.AtNS, Text: fmt.Sprintf("connection %d blocked at %s: %s", b.Connection, reports.Moment(b.AtNS), b.Why), Href: "#" + id + "-blocks", Kind: "other", Sign: "B"})
	}
}

// faults marks those that touched no traffic or were not healed, in the row of what they should have broken.
func (p pins) faults(run *reports.Run) {
	for i := range run.Faults {
		f := &run.Faults[i]
		if f.NotInjected || f.Bit && f.Healed {
			continue
		}
		row := ""
		switch {
		case f.Part != nil:
			row = "part " + *f.Part
		case f.Link != nil:
			name, _, _ := strings.Cut(*f.Link, "/")
			row = "link " + name
			if run.Streams[name] != nil {
				row = "stream " + name
			}
		}
		text := f.Title() + " was not healed"
		if !f.Bit {
			text = f.Title() + " " + f.NotTouched()
		}
		p.add(row, pin{at: f.StartNS, Text: text, Href: "#faults", Kind: "other", Sign: "!"})
	}
}

// begin is when the first piece of a window begins.
func begin(run *reports.Run, stream, window string) int64 {
	for _, w := range run.WindowsOf(stream) {
		if w.Name == window {
			return w.StartNS
		}
	}
	return 0
}
