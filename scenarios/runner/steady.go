package runner

import (
	"fmt"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// stopped is why a run was ended before its time, by its own rules. It is no failure of the harness.
type stopped struct {
	why string
	// unhealthy: before anything was broken.
	unhealthy bool
}

func (s stopped) Error() string { return s.why }

// leaveOpen takes the verdict of fail from gates that the early end of the run decided. Nothing was tried on an unhealthy
// target: what it lost or repeated stands all the same. Of a run that was given up, what counts operations over its length
// says nothing.
func (s stopped) leaveOpen(gates []reports.Gate, expect []scenarios.Gate) {
	for i := range gates {
		m := expect[i].Metric
		switch {
		case s.why == "" || gates[i].Verdict != reports.Fail || m.Class == scenarios.Integrity:
		case s.unhealthy:
			gates[i].Verdict = reports.Inconclusive
			gates[i].Why += "; the target was not healthy before anything was broken"
		case m.Name == "rate" || m.Class == scenarios.TimeOrRate && m.Unit == scenarios.UnitCount:
			gates[i].Verdict = reports.Inconclusive
			gates[i].Why += "; the run was aborted"
		}
	}
}

// steady says why nothing may be broken: the target is not as the gates on the baseline want it, as far as the operations
// that are over by now tell. Empty when it is healthy, or when too little is known to say otherwise.
func (t *step) steady() string {
	c := t.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := t.plan.index[faults.Baseline]; !ok {
		return ""
	}
	var ill []string
	for i, s := range t.streams {
		cell := t.baselineCell(i)
		if cell.Counts.Acked == 0 && cell.Offered+s.inFlight() > 0 {
			ill = append(ill, "no operation of stream "+s.spec.Name+" was acked")
			continue
		}
		for j := range t.sc.Expect {
			g := &t.sc.Expect[j]
			if g.Stream != s.spec.Name || g.Scope.Window != faults.Baseline {
				continue
			}
			if out := t.early(g, i, cell); out.Verdict == reports.Fail {
				observed, _ := reports.GateValues(&out)
				ill = append(ill, fmt.Sprintf("%s: %s", g.Expr, observed))
			}
		}
	}
	return strings.Join(ill, "; ")
}

// baselineCell is what is over of a stream's baseline.
func (t *step) baselineCell(i int) *metrics.Cell {
	window := t.plan.index[faults.Baseline]
	cell := &metrics.Cell{}
	cell.Merge(&t.streams[i].tally.windows[window])
	for slot, open := range t.streams[i].open() {
		if t.plan.slots.Slot(slot).Window == window {
			cell.Merge(open)
		}
	}
	return cell
}

// early judges a gate on the baseline of stream i before the run is over. Counts, integrity, recovery and
// the times of effects are known later.
func (t *step) early(g *scenarios.Gate, i int, cell *metrics.Cell) reports.Gate {
	s, tally := t.streams[i], t.streams[i].tally
	j := judgement{limited: t.collector.limited[s.spec.Name] > 0}
	switch {
	case g.Scope.EverySecond:
		if w := t.worstOf(g); w != nil {
			return w.judge()
		}
		j.observation = missing("no second is over")
	case g.Metric.Class == scenarios.Gauge:
		j.observation = t.gauge(g, &reports.Stream{Gauges: tally.gauges})
	case g.Metric.Class == scenarios.Integrity, g.Metric.Class == scenarios.Recovery, g.Metric.Unit == scenarios.UnitCount, scenarios.OfEffect(g.Metric):
		j.observation = missing("not known yet")
	default:
		if g.Metric.Name == "rate" {
			// What is under way may yet be acked.
			hopeful := *cell
			hopeful.Counts.Acked += s.inFlight()
			cell = &hopeful
		}
		j.observation = observe(g.Metric, cell, t.plan.length(faults.Baseline, t.clock()))
	}
	return judge(g, j)
}

// aborts follows the conditions on which the run is given up.
type aborts struct {
	conditions []scenarios.Abort
	streaks    []int // seconds in a row, by condition
}

func newAborts(conditions []scenarios.Abort) *aborts {
	return &aborts{conditions: conditions, streaks: make([]int, len(conditions))}
}

// add looks at one more second of a stream, and says why the run is to be given up; empty when it is not. A second that
// tells nothing, or in which the generator was the limit, ends a streak.
func (a *aborts) add(stream string, start, length time.Duration, cell *metrics.Cell, limited bool) string {
	for i := range a.conditions {
		c := &a.conditions[i]
		if c.Gate.Stream != stream {
			continue
		}
		o := observe(c.Gate.Metric, cell, length)
		met := o.missing == "" && holds(c.Gate.Comparison, o.targets, c.Gate.Limit) && !(limited && c.Gate.Metric.Class == scenarios.TimeOrRate)
		if !met {
			a.streaks[i] = 0
			continue
		}
		if a.streaks[i]++; a.streaks[i] >= c.Seconds {
			return fmt.Sprintf("aborted: %s, in the second from %s", c.Gate.Expr, reports.Duration(float64(start)))
		}
	}
	return ""
}
