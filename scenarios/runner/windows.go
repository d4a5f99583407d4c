package runner

import (
	"cmp"
	"slices"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios/runner/judge"
)

// planOf is the plan of a stream: that of the run, where the stream has no windows of its own.
func (s *step) planOf(stream string) *judge.Plan {
	own := slices.ContainsFunc(s.sc.Spans(stream), func(span faults.Span) bool { return span.Kind == faults.StepSpan })
	if !own {
		return s.plan
	}
	return judge.NewPlan(s.sc, stream)
}

// windows lists the windows that were reached by ended: those of the run, and over them the steps of the streams.
func (s *step) windows(ended, drained time.Duration) []reports.Window {
	out := []reports.Window{}
	for i := range s.plan.Pieces {
		p := &s.plan.Pieces[i]
		w := reports.Window{Name: p.Name, StartNS: int64(p.Start), EndNS: int64(min(p.End, ended))}
		if p.Name == faults.Drain {
			w.StartNS, w.EndNS = int64(ended), int64(max(drained, ended))
		} else if p.Start >= ended {
			continue
		}
		if p.Fault != "" {
			w.Fault = &p.Fault
		}
		if p.Named() {
			w.Base = p.Base
		}
		out = append(out, w)
	}
	for _, m := range s.streams {
		if m.traffic != nil {
			out = append(out, steps(m, ended)...)
		}
	}
	slices.SortStableFunc(out, func(a, b reports.Window) int { return cmp.Compare(a.StartNS, b.StartNS) })
	return out
}

// steps lists the windows of a stream's steps that were reached by ended.
func steps(m *member, ended time.Duration) (out []reports.Window) {
	for i := range m.plan.Pieces {
		if p := &m.plan.Pieces[i]; p.Step && p.Start < ended {
			out = append(out, reports.Window{
				Name: p.Name, StartNS: int64(p.Start), EndNS: int64(min(p.End, ended)), Base: p.Base, Stream: m.spec.Name,
			})
		}
	}
	return out
}
