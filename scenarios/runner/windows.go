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
func (t *step) planOf(stream string) *judge.Plan {
	own := slices.ContainsFunc(t.sc.Spans(stream), func(s faults.Span) bool { return s.Kind == faults.StepSpan })
	if !own {
		return t.plan
	}
	return judge.NewPlan(t.sc, stream)
}

// windows lists the windows that were reached by ended: those of the run, and over them the steps of the streams.
func (t *step) windows(ended, drained time.Duration) []reports.Window {
	out := []reports.Window{}
	for i := range t.plan.Pieces {
		p := &t.plan.Pieces[i]
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
	for _, m := range t.streams {
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
