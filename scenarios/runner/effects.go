package runner

import (
	"math"
	"time"

	"wringer/reports"
	"wringer/reports/effects"
	"wringer/scenarios"
)

// timed closes the account of how long a stream's effects took, and puts what it came to into the stream's record.
// incomplete says why observation was not whole, and is empty where it was.
func timed(out *reports.Stream, account *effects.Account, incomplete string) *effects.Result {
	r := account.Finish(incomplete)
	out.Total.Effect = r.Total.Measures()
	for name, m := range out.Windows {
		m.Effect = r.Windows[name].Measures()
	}
	for i := range out.Seconds {
		row := &out.Seconds[i]
		row.EffectP50NS, row.EffectP99NS = r.Second(time.Duration(row.StartNS))
	}
	return &r
}

// effectJudgement reads a gate on the times of effects over its scope.
func (t *step) effectJudgement(g *scenarios.Gate, run *reports.Run) judgement {
	j := judgement{where: scope(g.Scope.Window)}
	r := t.effects[g.Stream]
	if r == nil {
		j.observation = missing("no effects are observed")
		return j
	}
	cell := &r.Total
	if window := g.Scope.Window; window != "" {
		if cell = r.Windows[window]; cell == nil || run.Streams[g.Stream].Windows[window] == nil {
			j.observation = missing("the window was not reached")
			return j
		}
	}
	j.observation = effectObservation(g.Metric.Name, cell)
	if cell.Unknown > 0 {
		j.atLeast = r.Why
	}
	j.limited = t.limitedIn(g, run) || t.limitedUntil(g, run, cell.Latest)
	return j
}

// effectObservation reads a time from a cell: a lower bound where some time is unknown, and infinite where it falls among the
// effects that were never seen. Of max and mean that is as soon as there is one.
func effectObservation(name string, c *effects.Cell) observation {
	total := c.Count()
	if total == 0 {
		return missing("no operation was acked, and no effect was seen")
	}
	return found(reading(name)(c.AtLeast(), total))
}

// limitedUntil says whether the generator was the limit while the effects of a gate's window were still awaited, up to the
// last that was seen: their reader is part of it.
func (t *step) limitedUntil(g *scenarios.Gate, run *reports.Run, latest time.Duration) bool {
	from := int64(math.MaxInt64)
	for _, w := range run.Windows {
		if g.Scope.Window == "" || w.Name == g.Scope.Window {
			from = min(from, w.StartNS)
		}
	}
	for _, s := range run.Streams[g.Stream].Seconds {
		if s.Limited && s.StartNS+int64(time.Second) > from && s.StartNS <= int64(latest) {
			return true
		}
	}
	for second := int(run.DurationNS / int64(time.Second)); time.Duration(second)*time.Second <= latest; second++ {
		if saturated(t.collector.cores[second]) {
			return true
		}
	}
	return false
}
