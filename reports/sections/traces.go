package sections

import (
	"slices"

	"wringer/reports"
)

// traced is a cell that leads to a trace.
func traced(ref reports.TraceRef) Cell {
	return Cell{Text: ref.TraceID, Kind: Code, Link: ref.TraceURL}
}

// withTraces adds a column of traces to evidence of which some was sent sampled.
func (s *Section) withTraces(kept []*reports.Violation) {
	if !slices.ContainsFunc(kept, func(v *reports.Violation) bool { return v.TraceID != "" }) {
		return
	}
	s.Head = append(s.Head, Column{Name: "trace", Kind: Code})
	for i, v := range kept {
		s.Rows[i].Cells = append(s.Rows[i].Cells, traced(v.TraceRef))
	}
}

// slowest are the slowest operations whose traces were sampled.
func (b *builder) slowest() Section {
	s := Section{Name: NameSlowest, Title: "slowest operations with a sampled trace", Rank: Full}
	for i := range b.stream.Slowest {
		one := &b.stream.Slowest[i]
		s.Rows = append(s.Rows, Row{Label: one.ID, Code: true, Cells: []Cell{
			words(one.Window), moment(&one.PlannedNS), duration(new(float64(one.ResponseNS))), words(one.Outcome), count(int64(one.Attempts)), traced(one.TraceRef),
		}})
	}
	if len(s.Rows) > 0 {
		s.Head = []Column{
			{Name: "slow operation", Kind: Code}, {Name: "window"}, {Name: "due", Kind: Moment}, {Name: "response time", Kind: Time}, {Name: "outcome"},
			{Name: "attempts", Kind: Count}, {Name: "trace", Kind: Code},
		}
	}
	return s
}
