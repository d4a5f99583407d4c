package judge

import (
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/requests"
	"wringer/scenarios"
)

// Link holds the facts about a link with a witness.
type Link struct {
	Name    string
	Account *requests.Account
}

// linkGate decides a gate on a link. Its counts stand by the witness's own evidence, and no load generator had a part in them: what
// was not sent is no operation.
func (f *Facts) linkGate(g *scenarios.Gate, run *reports.Run) reports.Gate {
	i := slices.IndexFunc(f.Links, func(l Link) bool { return l.Name == g.Subject.Name })
	if i < 0 {
		return decide(g, missing("the link did not open"))
	}
	view := f.view(&f.Links[i], run, g.Stream, g.Scope.Window)
	out := decide(g, reading{
		Reading: readMetric(&metric.Facts{Metric: g.Metric, Kept: []any{view}}), where: f.planOf(g.Stream).scope(g.Scope.Window),
	})
	if out.Verdict == reports.Fail && g.Metric.Class == metric.Integrity && g.Scope.Window == "" {
		out.Why += f.linkWindows(g, &f.Links[i], run)
	}
	out = f.excuseLink(g, &f.Links[i], run, out)
	why := f.notInForce(g, run)
	if why == "" && out.Verdict == reports.Fail {
		why = f.stillBroken(g, run)
	}
	switch {
	case why != "" && g.Metric.Class != metric.Integrity:
		out.Verdict, out.Why = reports.Inconclusive, why
	case f.Ending.Interrupted && out.Verdict == reports.Fail && f.cutShort(g, out):
		out.Verdict, out.Why = reports.Inconclusive, out.Why+"; the run was interrupted"
	}
	return out
}

// linkWindows lists the windows in which a count of a link was found.
func (f *Facts) linkWindows(g *scenarios.Gate, l *Link, run *reports.Run) string {
	var parts []string
	for _, name := range f.Plan.Reached(time.Duration(run.DurationNS)) {
		r := readMetric(&metric.Facts{Metric: g.Metric, Kept: []any{f.view(l, run, "", name)}})
		if r.Missing == "" && r.Value > 0 {
			parts = append(parts, reports.Count(int64(r.Value))+scope(name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

// planOf is the plan of a stream, and of the whole run for an empty name.
func (f *Facts) planOf(stream string) *Plan {
	if s := f.stream(stream); s != nil {
		return s.Tally.plan
	}
	return f.Plan
}

// view gathers what is known of a link over a window: of one stream's operations, or of all for an empty name.
func (f *Facts) view(l *Link, run *reports.Run, stream, window string) *requests.View {
	v := &requests.View{Unknown: l.Account.Unknown(), Forgot: l.Account.Forgot(), Alone: true}
	plan := f.planOf(stream)
	var spans []requests.Span
	for i := range plan.Pieces {
		if p := &plan.Pieces[i]; window == "" || p.Covers(window) {
			spans = append(spans, requests.Span{Start: p.Start, End: p.End})
		}
	}
	if len(spans) == 0 || !slices.ContainsFunc(spans, func(s requests.Span) bool { return s.Start <= time.Duration(run.DurationNS) }) {
		return v
	}
	m := l.Account.Between(spans)
	v.Measures = &m
	for i := range f.Streams {
		s := &f.Streams[i]
		if s.Spec.Consume != nil {
			continue
		}
		if stream != "" && s.Spec.Name != stream {
			v.Alone = false
			continue
		}
		over := s.over(run, window)
		if over.cell != nil {
			m.Operations += over.cell.Sent
		}
		for _, p := range l.Account.Pairs() {
			if p.Stream() != s.Spec.Name {
				continue
			}
			if v.Calls == nil {
				v.Calls = make(requests.Calls)
			}
			v.Calls.Add(p.Over(over.windows))
		}
	}
	return v
}

// LinkRecords are the links' part of the record.
func (f *Facts) LinkRecords(run *reports.Run) map[string]*reports.Link {
	out := make(map[string]*reports.Link)
	for i := range f.Links {
		l := &f.Links[i]
		r := &reports.Link{
			Identity: l.Account.Identity(), Methods: l.Account.Methods(), Unknown: l.Account.Unknown(), Tie: l.Account.Tie(),
			Total: *f.recorded(l, run, f.Plan.all(), ""), Windows: make(map[string]*reports.LinkMeasures), Seconds: l.Account.Seconds(),
		}
		for _, name := range f.Plan.Reached(time.Duration(run.DurationNS)) {
			r.Windows[name] = f.recorded(l, run, f.Plan.Named(name), name)
		}
		out[l.Name] = r
	}
	return out
}

// recorded is one row of the record: some windows of the run, which have one name; empty for all.
func (f *Facts) recorded(l *Link, run *reports.Run, windows []int, name string) *reports.LinkMeasures {
	var spans []requests.Span
	for i := range f.Plan.Pieces {
		if p := &f.Plan.Pieces[i]; slices.Contains(windows, f.Plan.at[i]) {
			spans = append(spans, requests.Span{Start: p.Start, End: p.End})
		}
	}
	m := l.Account.Between(spans)
	tied := l.Account.Tie() != ""
	for i := range f.Streams {
		s := &f.Streams[i]
		if s.Spec.Consume != nil {
			continue
		}
		own := s.Tally.plan.all()
		if name != "" {
			own = s.inside(spans)
		}
		m.Operations += s.Tally.Over(own).Sent
		for _, p := range l.Account.Pairs() {
			if tied && p.Stream() == s.Spec.Name {
				if m.Calls == nil {
					m.Calls = make(map[string]*reports.LinkCalls)
				}
				m.Calls[s.Spec.Name] = p.Over(own).Measures()
			}
		}
	}
	if m.Operations > 0 && m.Requests != nil {
		m.Amplification = new(float64(*m.Requests) / float64(m.Operations))
	}
	return &m
}

// inside are the windows of the stream whose first piece begins within some spans of the run, or with them.
func (s *Stream) inside(spans []requests.Span) []int {
	return s.Tally.plan.those(func(w *faults.Window) bool {
		return slices.ContainsFunc(spans, func(span requests.Span) bool {
			return w.Start == span.Start || w.Start > span.Start && w.Start < span.End
		})
	})
}
