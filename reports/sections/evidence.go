package sections

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
)

// Evidence returns a section for each kind of violation in each stream, in the record's order. Each row is a violation that the
// record keeps. The Aside gives the numbers of violations counted and kept.
func Evidence(rec *reports.Record) []Section {
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
	var all []Section
	for _, g := range order {
		all = append(all, evidence(rec.Run, g.stream, g.kind, kept[g]))
	}
	return all
}

func evidence(run *reports.Run, stream, kind string, kept []*reports.Violation) Section {
	s := Section{Name: NameEvidence, Title: strings.ReplaceAll(kind, "_", " ") + " in " + stream, Stream: stream, Rank: Full,
		Anchor: anchor(stream, run.CountOf(kind)), Head: []Column{
			{Name: "operation", Kind: Code}, {Name: "window"}, {Name: "due", Kind: Moment}, {Name: "outcome"}, {Name: "why"}, {Name: "attempts"}, {Name: "seen"},
		}}
	st := run.Streams[stream]
	counted := ""
	if st != nil {
		if n := st.Total.Count(run.CountOf(kind)); n != nil {
			counted = reports.Count(*n) + " counted, "
		}
	}
	s.Aside = fmt.Sprintf("%s%d kept as evidence", counted, len(kept))
	for _, v := range kept {
		s.Rows = append(s.Rows, violation(v, st == nil || numbered(st, kind)))
	}
	return s
}

// anchor names the evidence of a stream's count.
func anchor(stream, count string) string {
	if count == "" {
		return ""
	}
	return count + " in " + stream
}

// numbered reports whether a violation of that kind is of an operation, which has a number. Otherwise it is of a record.
func numbered(s *reports.Stream, kind string) bool {
	return !s.Consumes() || s.Of != "" && !slices.Contains([]string{"group_lost", "redelivered", "gap"}, kind)
}

func violation(v *reports.Violation, numbered bool) Row {
	var note []string
	if numbered {
		note = append(note, "number "+strconv.FormatUint(v.Seq, 10))
	}
	if v.Key != "" {
		note = append(note, "key "+v.Key)
	}
	var tries, sightings Cell
	for _, at := range v.Attempts {
		text := reports.Span(at.SentNS, at.DoneNS) + ": " + at.Outcome
		for _, more := range []string{at.Code, at.Detail} {
			if more != "" {
				text += ", " + more
			}
		}
		tries.Notes = append(tries.Notes, text)
	}
	for _, at := range v.Seen {
		text := reports.Moment(at.AtNS)
		if at.Partition != nil && at.Offset != nil {
			text += fmt.Sprintf(": partition %d, offset %d", *at.Partition, *at.Offset)
		}
		if at.Origin != "" {
			text += ", from " + at.Origin
		}
		sightings.Notes = append(sightings.Notes, text)
	}
	return Row{Label: v.ID, Note: strings.Join(note, ", "), Code: true, Cells: []Cell{
		words(v.Window), moment(v.PlannedNS), words(v.Outcome), words(v.Why), tries, sightings,
	}}
}
