package runner

import (
	"math"
	"slices"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// member is one stream of a run: its traffic, its observer, its checks, and its measurements.
type member struct {
	spec     *scenarios.Stream
	env      drivers.Env
	driver   drivers.Driver  // nil: the stream consumes and sends nothing
	traffic  *traffic.Stream // nil: the same
	observer *watch.Observer // nil: nothing is observed
	checks   []reports.Check
	guards   []*guard // those of checks that are guarded
	plan     *judge.Plan
	tally    *judge.Tally
	// summed holds, by name, the measures of the windows that did not change since their last sum. A partial record is made
	// each second, and summing up is slow (0.2 ms per window).
	summed map[string]summed
}

type summed struct {
	length   time.Duration
	measures reports.Measures
}

// closed reports whether the stream is of the closed model. A stream that consumes has no planned starts either.
func (m *member) closed() bool { return m.traffic == nil || m.traffic.Closed() }

// inFlight is the number of operations under way.
func (m *member) inFlight() int64 {
	if m.traffic == nil {
		return 0
	}
	return m.traffic.InFlight()
}

// open returns the sums of the slots that may still change.
func (m *member) open() map[int]*metrics.Cell {
	if m.traffic == nil {
		return nil
	}
	return m.traffic.Open()
}

// consumerLag is subtracted from the clock of a stream that consumes: the second that just ended is complete a second later.
const consumerLag = time.Second

// take removes and returns the slots that can no longer change. Before until, every slot was taken. rest: all remaining slots.
func (m *member) take(rest bool) (taken map[int]*metrics.Cell, until time.Duration) {
	switch {
	case m.traffic == nil && rest:
		return nil, math.MaxInt64
	case m.traffic == nil:
		return nil, m.env.Clock() - consumerLag
	case rest:
		return m.traffic.TakeRest()
	}
	return m.traffic.Take()
}

// add folds slots into the tally.
func (m *member) add(taken map[int]*metrics.Cell) {
	for slot := range taken {
		delete(m.summed, m.plan.Names[m.tally.Slot(slot).Window])
	}
	m.tally.Add(taken)
}

// measures sums up the window of that name until ended. Maps and pointers in it are shared between calls: the caller does not
// change them.
func (m *member) measures(name string, ended time.Duration) reports.Measures {
	windows := m.plan.Named(name)
	length := m.plan.Length(windows, ended)
	if s, ok := m.summed[name]; ok && s.length == length {
		return s.measures
	}
	if m.summed == nil {
		m.summed = make(map[string]summed)
	}
	s := summed{length, m.tally.Over(windows).Measures(length)}
	m.summed[name] = s
	return s.measures
}

// live returns the counts of the first check that has some while the run goes on; false when none has.
func (m *member) live() (reports.Live, bool) {
	for _, c := range m.checks {
		if _, ok := inner(c).(reports.Watched); ok {
			return c.(reports.Watched).Live(), true
		}
	}
	return reports.Live{}, false
}

// subscribe lets the stream's checks follow their events: the deliveries of the observer, and the operations of a stream as
// they end.
func (m *member) subscribe(operations *traffic.Stream) {
	for _, c := range m.checks {
		if _, ok := inner(c).(reports.FollowsDeliveries); ok && m.observer != nil {
			m.observer.Checks = append(m.observer.Checks, c.(reports.FollowsDeliveries))
		}
		if _, ok := inner(c).(reports.FollowsEnds); ok && operations != nil {
			operations.Follow(c.(reports.FollowsEnds))
		}
	}
}

// inner is the check behind a guard, whose optional methods say what it follows.
func inner(c reports.Check) reports.Check {
	if g, ok := c.(*guard); ok {
		return g.check
	}
	return c
}

// broken lists the checks that broke.
func (m *member) broken() (all []judge.Broken) {
	for _, g := range m.guards {
		if why := g.why(); why != "" {
			all = append(all, judge.Broken{Metrics: g.metrics, Why: why})
		}
	}
	return all
}

// openChecks opens the checks of the language that can measure something of the stream.
func (s *step) openChecks(m *member) {
	for _, kind := range s.sc.Checks {
		measures := func(row metric.Metric) bool { return m.spec.Measures(&row, s.sc) }
		if slices.ContainsFunc(kind.Metrics, measures) {
			g := openGuarded(&kind, checkConfig(m), s.folder.Output)
			s.opened.add(g.close)
			m.checks, m.guards = append(m.checks, g), append(m.guards, g)
		}
	}
}

// checkConfig describes a stream to its checks.
func checkConfig(m *member) reports.CheckConfig {
	return reports.CheckConfig{Stream: m.spec.Name, Identity: m.env.Identity, Windows: m.plan.Names, WindowAt: m.plan.WindowAt}
}
