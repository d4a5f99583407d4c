package judge

import (
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/requests"
	"wringer/reports/series"
	"wringer/scenarios"
)

// Links and the target's own series have no cells by the second. Busy seconds excuse their gates as they excuse those of streams: what is
// violated by busy seconds alone is not decided, and neither is what is held only with them.

// excuseLink takes the verdict from a gate on a link that busy seconds alone decide.
func (f *Facts) excuseLink(g *scenarios.Gate, l *Link, run *reports.Run, gate reports.Gate) reports.Gate {
	seconds := f.busyWithin(f.planOf(g.Stream), g.Scope.Window, time.Duration(run.DurationNS))
	if len(seconds) == 0 || !excusable(g.Metric) {
		return gate
	}
	view := f.view(l, run, g.Stream, g.Scope.Window)
	if view.Measures != nil {
		f.leaveOutBusy(view, l, g, run, seconds)
	}
	again := decide(g, reading{Reading: readMetric(&metric.Facts{Metric: g.Metric, Kept: []any{view}})})
	return f.unless(again, g, gate, seconds)
}

// leaveOutBusy takes busy seconds out of a view: the requests that came in them, and the operations that were due in them. Which of the
// operations caused how many calls is not known by the second, so that those with the most calls go, or those with the fewest.
func (f *Facts) leaveOutBusy(v *requests.View, l *Link, g *scenarios.Gate, run *reports.Run, seconds []int) {
	var operations int64
	for i := range f.Streams {
		s := &f.Streams[i]
		if s.Spec.Consume == nil && (g.Stream == "" || g.Stream == s.Spec.Name) {
			operations += s.Tally.busyOver(s.over(run, g.Scope.Window).windows).Sent
		}
	}
	v.Measures.Operations -= operations
	if v.Measures.Requests != nil {
		v.Measures.Requests = new(max(*v.Measures.Requests-l.Account.In(seconds), 0))
	}
	v.Calls = v.Calls.Less(operations, !wantsMore(g))
}

// wantsMore says that a gate is violated by too low a value.
func wantsMore(g *scenarios.Gate) bool { return g.Comparison == ">" || g.Comparison == ">=" }

// excuseSeries takes the verdict from a gate on a series that busy seconds alone decide.
func (f *Facts) excuseSeries(g *scenarios.Gate, a *series.Account, name string, run *reports.Run, gate reports.Gate) reports.Gate {
	seconds := f.busyWithin(f.Plan, g.Scope.Window, max(a.End(), time.Duration(run.DurationNS)))
	if len(seconds) == 0 {
		return gate
	}
	spans := f.spansOf(g.Scope.Window, run)
	view := a.Over(name, without(spans, seconds))
	if !g.Metric.Cumulative {
		// What piled up in a busy second is worked off later.
		skip := f.stained(g, a.Values(name))
		view = a.Those(name, spans, func(at time.Duration) bool { return !skip(at) })
	}
	again := decide(g, reading{Reading: readMetric(&metric.Facts{Metric: g.Metric, Kept: []any{view}})})
	return f.unless(again, g, gate, seconds)
}

// without cuts seconds out of spans.
func without(spans []series.Span, seconds []int) []series.Span {
	for _, second := range seconds {
		from, to := time.Duration(second)*time.Second, time.Duration(second+1)*time.Second
		var rest []series.Span
		for _, s := range spans {
			for _, part := range []series.Span{{Start: s.Start, End: min(s.End, from)}, {Start: max(s.Start, to), End: s.End}} {
				if part.Start < part.End {
					rest = append(rest, part)
				}
			}
		}
		spans = rest
	}
	return spans
}

// unless leaves a gate open that comes to another verdict without busy seconds.
func (f *Facts) unless(again reports.Gate, g *scenarios.Gate, gate reports.Gate, seconds []int) reports.Gate {
	switch {
	case again.Verdict == gate.Verdict:
	case gate.Verdict == reports.Fail:
		gate.Verdict, gate.Why = reports.Inconclusive, ViolatedApart+f.held(seconds)
	case gate.Verdict == reports.Pass && wantsWorse(g):
		gate.Verdict, gate.Why = reports.Inconclusive, "held only by seconds in which "+f.held(seconds)
	}
	return gate
}

// busyWithin lists the busy seconds that a window touches, up to the time end.
func (f *Facts) busyWithin(plan *Plan, window string, end time.Duration) (seconds []int) {
	if f.Machine == nil {
		return nil
	}
	for second := 0; time.Duration(second)*time.Second < end; second++ {
		from := time.Duration(second) * time.Second
		_, partly := plan.share(window, from, from+time.Second)
		if partly && f.busy(second) {
			seconds = append(seconds, second)
		}
	}
	return seconds
}
