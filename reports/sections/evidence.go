package sections

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
)

// proof is the evidence of one kind of violation, in a stream or on a link.
type proof struct {
	stream, link, kind string
	kept               []*reports.Violation
}

// proofs sorts the evidence by what it is of, in the record's order.
func proofs(rec *reports.Record) []*proof {
	type group struct{ stream, link, kind string }
	var order []*proof
	known := make(map[group]*proof)
	for i := range rec.Violations {
		v := &rec.Violations[i]
		g := group{v.Stream, "", v.Kind}
		if v.Link != "" { // whichever stream caused it
			g = group{"", v.Link, v.Kind}
		}
		p := known[g]
		if p == nil {
			p = &proof{stream: g.stream, link: g.link, kind: g.kind}
			known[g], order = p, append(order, p)
		}
		p.kept = append(p.kept, v)
	}
	return order
}

// Kept returns the violations of each section of Evidence, by row.
func Kept(rec *reports.Record) [][]*reports.Violation {
	var all [][]*reports.Violation
	for _, p := range proofs(rec) {
		all = append(all, p.kept)
	}
	return all
}

// Evidence returns a section for each kind of violation in each stream, in the record's order. Each row is a violation that the
// record keeps. The Aside gives the numbers of violations counted and kept.
func Evidence(rec *reports.Record) []Section {
	var all []Section
	for _, p := range proofs(rec) {
		if p.link != "" {
			all = append(all, linkEvidence(rec.Run, p.link, p.kind, p.kept))
			continue
		}
		all = append(all, evidence(rec.Run, p.stream, p.kind, p.kept))
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
		s.Rows = append(s.Rows, violation(v, st == nil || numbered(st, kind), st != nil && st.Effects == fileEffects))
	}
	s.withTraces(kept)
	return s
}

// linkEvidence is the evidence of what happened on a link between services.
func linkEvidence(run *reports.Run, link, kind string, kept []*reports.Violation) Section {
	s := Section{Name: NameEvidence, Title: strings.ReplaceAll(kind, "_", " ") + " on " + link, Rank: Full, Head: []Column{
		{Name: "identity", Kind: Code}, {Name: "window"}, {Name: "why"}, {Name: "seen"},
	}}
	counted := ""
	if l := run.Links[link]; l != nil && l.Total.ArrivedTwice != nil {
		counted = reports.Count(*l.Total.ArrivedTwice) + " counted, "
	}
	s.Aside = fmt.Sprintf("%s%d kept as evidence", counted, len(kept))
	for _, v := range kept {
		r, note := violation(v, false, false), ""
		if v.Stream != "" {
			note = "operation " + strconv.FormatUint(v.Seq, 10) + " of " + v.Stream
		}
		s.Rows = append(s.Rows, Row{Label: v.ID, Note: note, Code: true, Cells: []Cell{r.Cells[0], r.Cells[3], r.Cells[5]}})
	}
	s.withTraces(kept)
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

// fileEffects is the kind of effects that are lines of a file: the place of a sighting is a byte there.
const fileEffects = "file"

func violation(v *reports.Violation, numbered, inFile bool) Row {
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
		switch {
		case at.Partition == nil || at.Offset == nil:
		case inFile:
			text += ": " + reports.ByteOf(*at.Partition, *at.Offset)
		default:
			text += fmt.Sprintf(": partition %d, offset %d", *at.Partition, *at.Offset)
		}
		if at.Place != "" {
			text += ", in " + at.Place
		}
		if at.Origin != "" {
			text += ", from " + at.Origin
		}
		sightings.Notes = append(sightings.Notes, text)
	}
	return Row{Label: v.ID, Note: strings.Join(note, ", "), Code: true, Cells: []Cell{
		words(v.Window), moment(v.PlannedNS), words(v.Outcome), words(whyIn(v)), tries, sightings,
	}}
}

// whyIn is the reason, with the place of the effects where it has a name.
func whyIn(v *reports.Violation) string {
	if v.Place == "" {
		return v.Why
	}
	return "in " + v.Place + ": " + v.Why
}
