package capacity

import (
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios/runner/judge"
)

// whileBusy is why a trial decides nothing whose operations failed only in seconds that say little of the target.
const whileBusy = "operations failed only in seconds in which other programs held the machine, or the load generator was late"

// failedWhileBusy says whether the violated gates of a run count failed operations alone, and whether all of these fell in seconds that say
// little of the target. One that gets too little CPU, or late requests in a bunch, refuses some at once. For a run such answers stand. A
// trial is made again, and a capacity that a busy machine made would be a wrong bound.
func failedWhileBusy(run *reports.Run) bool {
	for i := range run.Gates {
		if g := &run.Gates[i]; violated(g) && !countsFailed(g) {
			return false
		}
	}
	var busy, calm int64
	for _, s := range run.Streams {
		for i := range s.Seconds {
			row := &s.Seconds[i]
			if failed := row.Offered - row.Acked; row.Busy || row.Limited {
				busy += failed
			} else {
				calm += failed
			}
		}
	}
	return busy > 0 && calm == 0
}

// violated says whether a gate is violated, by whatever seconds: a run leaves one open that busy or late seconds alone violate.
func violated(g *reports.Gate) bool {
	return g.Verdict == reports.Fail || g.Verdict == reports.Inconclusive && strings.HasPrefix(g.Why, judge.ViolatedApart)
}

// countsFailed says whether a gate counts failed operations.
func countsFailed(g *reports.Gate) bool {
	return slices.Contains([]string{"errors", "rejected", "indeterminate"}, g.Metric)
}

// excuse takes the verdict from a trial whose operations failed only while the machine was busy, unless its failures outlast that. quick is
// a median response time of the target at a lower load; nil: not known.
//
// A busy machine makes failures out of operations that it holds up: each of a bunch but the last arrives late, or is answered late. A target
// that has too much to do refuses others too, second by second. So failures stand that are more than the operations that were held up.
// What they say is no certain bound all the same: a target that is short of CPU refuses so as well.
func (t *Trial) excuse(run *reports.Run, quick *float64) {
	if t.Busy = quick != nil && outlasts(run, *quick); t.Busy {
		t.Verdict = string(reports.Fail)
		t.Why = "more operations failed than were held up, in each second; other programs held the machine, or the load generator was late"
		t.Limit = firstOf(run, violated)
		for i := range t.Gates {
			if violated(&run.Gates[i]) {
				t.Gates[i].Verdict = t.Verdict
			}
		}
		return
	}
	t.undecided()
}

// undecided takes the verdict from a trial and its gates.
func (t *Trial) undecided() {
	t.Verdict, t.Limit, t.Why = string(reports.Inconclusive), nil, whileBusy
	for i := range t.Gates {
		if v := &t.Gates[i]; v.Verdict == string(reports.Fail) {
			v.Verdict, v.Why = t.Verdict, t.Why
		}
	}
}

// outlasts says whether a gate on failed operations is violated without one failure for each operation that was held up, and whether some
// failed in every second.
func outlasts(run *reports.Run, quick float64) bool {
	return slices.ContainsFunc(run.Gates, func(g reports.Gate) bool {
		s := run.Streams[g.Stream]
		if !violated(&g) || !countsFailed(&g) || g.Window != nil || g.Observed == nil || g.Limit == nil || s == nil || s.Total.Offered == 0 {
			return false
		}
		held := heldUp(&s.Total, quick)
		if g.Unit == "count" {
			held *= float64(s.Total.Offered)
		}
		return *g.Observed-held > *g.Limit && inEverySecond(s, run.DurationNS)
	})
}

// heldUp is the share of the operations that took longer than an idle target does, and at least that of those without an answer. It is read
// off the known percentiles: the highest that is quick enough.
func heldUp(m *reports.Measures, quick float64) (share float64) {
	var known []reports.Quantile
	if r := m.Response; r != nil {
		for _, q := range []struct {
			percent float64
			ns      *float64
		}{{50, r.P50}, {90, r.P90}, {95, r.P95}, {99, r.P99}, {99.9, r.P999}} {
			if q.ns != nil {
				known = append(known, reports.Quantile{Percent: q.percent, NS: *q.ns})
			}
		}
	}
	share = 1
	for _, q := range append(known, m.Spread...) {
		if !Slower(quick, q.NS) {
			share = min(share, 1-q.Percent/100)
		}
	}
	return share
}

// inEverySecond says whether operations of a stream failed in every whole second with operations, or in the only one there is.
func inEverySecond(s *reports.Stream, end int64) bool {
	return !slices.ContainsFunc(s.Seconds, func(row reports.Second) bool {
		isWhole := row.StartNS+int64(time.Second) <= end
		return row.Offered > 0 && row.Acked == row.Offered && (isWhole || len(s.Seconds) == 1)
	})
}

// quickest is the lowest median response time of the trials that passed below a load; nil: not known.
func (c *finder) quickest(below float64) (best *float64) {
	for _, t := range c.answer.Trials {
		if t.At < below && t.P50NS != nil && t.Verdict == string(reports.Pass) && (best == nil || *t.P50NS < *best) {
			best = t.P50NS
		}
	}
	return best
}

// believed says whether a trial at a load is the last of as many in a row, with failures that outlast a busy machine, as decide it; a further
// one counts at once. Until then it is made again: the machine may be free.
func (c *finder) believed(at float64) bool {
	row := 1
	for i := len(c.answer.Trials) - 1; i >= 0; i-- {
		switch t := c.answer.Trials[i]; {
		case t.At != at || !t.Busy:
			return row >= patience
		case t.Verdict == string(reports.Fail):
			return true
		}
		row++
	}
	return row >= patience
}

// busyAt says whether a load failed by less than two trials but for those that a busy machine takes the certainty from.
func (c *finder) busyAt(at float64) bool {
	busy, sound := 0, 0
	for _, t := range c.answer.Trials {
		switch {
		case t.At != at || t.Verdict != string(reports.Fail):
		case t.Busy:
			busy++
		default:
			sound++
		}
	}
	return busy > 0 && sound < enough
}
