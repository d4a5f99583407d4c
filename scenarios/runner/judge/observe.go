package judge

import (
	"math"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/series"
	"wringer/scenarios"
)

// observeGate decides a gate on a series of the target. What the target says of itself stands whatever the load generator did.
func (f *Facts) observeGate(g *scenarios.Gate, run *reports.Run) reports.Gate {
	entry, name, _ := strings.Cut(g.Subject.Name, ".")
	account := f.Observed[entry]
	if account == nil {
		return decide(g, missing("nothing was read of %s", entry))
	}
	view := account.Over(name, f.spansOf(g.Scope.Window, run))
	out := decide(g, reading{
		Reading: readMetric(&metric.Facts{Metric: g.Metric, Kept: []any{view}}), where: f.Plan.scope(g.Scope.Window),
	})
	out = f.excuseSeries(g, account, name, run, out)
	why := f.notInForce(g, run)
	if why == "" && out.Verdict == reports.Fail {
		why = f.stillBroken(g, run)
	}
	switch {
	case why != "":
		out.Verdict, out.Why = reports.Inconclusive, why
	case f.Ending.Interrupted && out.Verdict == reports.Fail && f.cutShort(g, out):
		out.Verdict, out.Why = reports.Inconclusive, out.Why+"; the run was interrupted"
	}
	return out
}

// spansOf are the times of a window that the run came to; an empty name is the whole run with its drain.
func (f *Facts) spansOf(window string, run *reports.Run) (spans []series.Span) {
	for i := range f.Plan.Pieces {
		p := &f.Plan.Pieces[i]
		reached := p.Start < time.Duration(run.DurationNS) || p.Name == faults.Drain
		if reached && (window == "" || p.Covers(window)) {
			end := p.End
			if i == len(f.Plan.Pieces)-1 { // the drain ends with the readings
				end = math.MaxInt64
			}
			spans = append(spans, series.Span{Start: p.Start, End: end})
		}
	}
	return spans
}
