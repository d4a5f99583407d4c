package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// NotHealthy begins the headline of a run that was stopped because its target was not healthy before the first fault.
const NotHealthy = "the target was not healthy before anything was broken"

// NeverHealthy begins the reason of a run in which a stream had no answer, or could not be opened.
const NeverHealthy = "the target was never healthy"

// EndedEarly begins the reason of a run that ended because a gate was certain to fail.
const EndedEarly = "ended early"

// Stopped is the reason why the scenario's own rules ended a run early. It is no failure of the harness.
type Stopped struct {
	Why string
	// Unhealthy: the target was not healthy before the first fault.
	Unhealthy bool
}

func (s Stopped) Error() string { return s.Why }

// leaveOpen takes the verdict of fail from gates that the early end of the run decided. No fault was tried on an unhealthy
// target; its losses and repetitions stand. In an aborted run, counts over the run's length say nothing.
func (s Stopped) leaveOpen(gates []reports.Gate, expect []scenarios.Gate) {
	for i := range gates {
		m := expect[i].Metric
		switch {
		case s.Why == "" || gates[i].Verdict != reports.Fail || m.Class == metric.Integrity:
		case s.Unhealthy:
			gates[i].Verdict = reports.Inconclusive
			gates[i].Why += "; " + NotHealthy
		case m.Class == metric.TimeOrRate && (m.Unit == metric.PerSecond || m.Unit == metric.Count):
			gates[i].Verdict = reports.Inconclusive
			gates[i].Why += "; the run was aborted"
		}
	}
}

// SoFar is the state of one stream while the run goes on.
type SoFar struct {
	Spec  *scenarios.Stream
	Tally *Tally
	// Baseline holds the ended part of the stream's baseline, without the InFlight operations.
	Baseline *metrics.Cell
	InFlight int64
	// Acked counts the operations of the baseline that were acked, those of busy seconds too.
	Acked int64
	// All is the same of the whole run, for Hopeless.
	All *metrics.Cell
	// Limited: the load generator was saturated in some second so far.
	Limited bool
	// Busy says whether the machine was the limit in a second.
	Busy func(second int) bool
	// MayBeBusy is Busy for seconds that were not read yet, too.
	MayBeBusy func(second int) bool
}

// BaselineOf is the ended part of a stream's baseline, with the phases and the steps inside it: its slots that were taken, and
// the ended operations of the open ones. Of busy seconds it holds what stands by itself.
func BaselineOf(t *Tally, open map[int]*metrics.Cell, busy func(second int) bool) *metrics.Cell {
	return endedOver(t, t.plan.Over(faults.Baseline), open, busy)
}

// AckedOf is how many operations of a stream's baseline were acked so far, in whatever second.
func AckedOf(t *Tally, open map[int]*metrics.Cell) int64 {
	windows := t.plan.Over(faults.Baseline)
	acked := t.Over(windows).Counts.Acked
	for slot, c := range open {
		if slices.Contains(windows, t.plan.Slots.Slot(slot).Window) {
			acked += c.Counts.Acked
		}
	}
	return acked
}

// AllOf is BaselineOf for the whole run.
func AllOf(t *Tally, open map[int]*metrics.Cell, busy func(second int) bool) *metrics.Cell {
	return endedOver(t, t.plan.all(), open, busy)
}

func endedOver(t *Tally, windows []int, open map[int]*metrics.Cell, isBusy func(second int) bool) *metrics.Cell {
	cell := &metrics.Cell{}
	cell.Merge(t.Over(windows))
	all, best := t.apart(windows)
	cell = cell.Less(all)
	cell.Merge(best)
	if t.sorting != nil {
		for _, h := range t.sorting.slots {
			if k := t.kindOf(h.at.Second, isBusy); k != 0 && slices.Contains(windows, h.at.Window) {
				cell = cell.Less(h.cell)
				cell.Merge(k.excused(h.cell))
			}
		}
	}
	for slot, c := range open {
		at := t.plan.Slots.Slot(slot)
		if !slices.Contains(windows, at.Window) {
			continue
		}
		if isBusy(at.Second) {
			c = c.Excused()
		}
		cell.Merge(c)
	}
	return cell
}

// BaselineHealthy reports whether the target meets the gates on the baseline, judged by the operations that have ended so far,
// and if not, why. With too little data to say otherwise, the target is healthy.
func BaselineHealthy(expect []scenarios.Gate, streams []SoFar, now time.Duration) (healthy bool, why string) {
	var ill []string
	for i := range streams {
		s := &streams[i]
		if s.Acked == 0 && s.Baseline.Offered-s.Baseline.DroppedByUs+s.InFlight > 0 {
			ill = append(ill, noneAcked(s.Spec.Name))
			continue
		}
		for j := range expect {
			g := &expect[j]
			if g.Stream != s.Spec.Name || g.Scope.Window != faults.Baseline {
				continue
			}
			if out := s.judge(g, now); out.Verdict == reports.Fail {
				observed, _ := reports.GateValues(&out)
				ill = append(ill, fmt.Sprintf("%s: %s", g.Expr, observed))
			}
		}
	}
	return len(ill) == 0, strings.Join(ill, "; ")
}

// judge judges a gate on the baseline before the run is over. Counts, integrity, recovery and the times of effects are known
// later.
func (s *SoFar) judge(g *scenarios.Gate, now time.Duration) reports.Gate {
	plan := s.Tally.plan
	r := reading{limited: s.Limited}
	switch {
	case g.Scope.EverySecond:
		if w := s.Tally.calmSoFar(g, s.MayBeBusy); w != nil {
			return w.decide()
		}
		r.Reading = metric.Missing("no second is over")
	case g.Metric.Cumulative:
		r.Reading = metric.Missing("not known yet")
	case g.Metric.Class == metric.Gauge:
		r.Reading = s.Tally.gauge(g, func(at time.Duration) bool { return s.Busy(int(at / time.Second)) })
	case !g.Metric.BySecond || g.Metric.Unit == metric.Count:
		r.Reading = metric.Missing("not known yet")
	default:
		cell := s.Baseline
		if g.Metric.Unit == metric.PerSecond {
			// An operation under way may still be acked.
			hopeful := *cell
			hopeful.Counts.Acked += s.InFlight
			cell = &hopeful
		}
		r.Reading = readCell(g, cell, plan.Length(plan.Over(faults.Baseline), now))
	}
	return decide(g, r)
}

// Aborts follows the conditions that end the run early.
type Aborts struct {
	conditions []scenarios.Abort
	streaks    []int // seconds in a row, by condition
}

// NewAborts follows the conditions of a scenario.
func NewAborts(conditions []scenarios.Abort) *Aborts {
	return &Aborts{conditions: conditions, streaks: make([]int, len(conditions))}
}

// Add checks one more second of a stream. It returns the reason to abort the run; empty without one. A second without data ends
// a streak. For times and rates so does an excused one, in which the load generator was saturated or the machine was the limit.
// Errors count in it too: an abort spares the target, and decides no gate.
func (a *Aborts) Add(stream string, start, length time.Duration, cell *metrics.Cell, excused bool) string {
	for i := range a.conditions {
		c := &a.conditions[i]
		if c.Gate.Stream != stream {
			continue
		}
		o := readCell(&c.Gate, cell, length)
		met := o.Missing == "" && surely(&c.Gate, o, true) && !(excused && c.Gate.Metric.Class == metric.TimeOrRate)
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
