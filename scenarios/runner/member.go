package runner

import (
	"math"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/reports/slowest"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// member is one stream of a run: its traffic, its observer, its checks, and its measurements.
type member struct {
	spec    *scenarios.Stream
	env     drivers.Env
	driver  drivers.Driver  // nil: the stream consumes and sends nothing
	traffic *traffic.Stream // nil: the same
	// observers watch the places of the effects, the stream's own log, or what it consumes; none: nothing is observed.
	observers []*watch.Observer
	places    []*effectPlace // of effects that have names, in order
	checks    []reports.Check
	broke     []*breakage      // of each check, in case it breaks
	slowest   *slowest.Slowest // nil: requests carry no trace
	plan      *judge.Plan
	tally     *judge.Tally
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
	for _, p := range m.places {
		p.subscribe(operations)
	}
	for _, c := range m.checks {
		for _, o := range m.observers {
			if f, ok := followsPlace(c, o.Name); ok {
				o.Checks = append(o.Checks, f)
			}
		}
		if _, ok := inner(c).(reports.FollowsEnds); ok && operations != nil {
			operations.Follow(c.(reports.FollowsEnds))
		}
	}
}

// catch takes a check of the runner's own into care.
func (s *step) catch(m *member, own reports.Check) *caught {
	c := catch(own, m.spec.Name, s.folder.Output)
	m.broke = append(m.broke, &c.breakage)
	return c
}

// inner is the check behind its guard, whose optional methods say what it follows.
func inner(c reports.Check) reports.Check {
	switch c := c.(type) {
	case *guard:
		return c.check
	case *caught:
		return c.check
	}
	return c
}

// group is the group of consumers that reads beside a source; nil: there is none.
func (m *member) group() *watch.Group {
	for _, o := range m.observers {
		if o.Group != nil {
			return o.Group
		}
	}
	return nil
}

// seenIn is the place where the stream is observed, in words; empty: nowhere.
func (m *member) seenIn() string {
	var all []string
	for _, o := range m.observers {
		text := o.Place
		if o.Name != "" {
			text = o.Name + " (" + o.Place + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// unread is the reason why observation of the stream is not complete, once every place has settled.
func (m *member) unread(interrupted bool) string {
	var all []string
	for _, o := range m.observers {
		if o.Unread == "" && interrupted {
			o.Unread = "the run was interrupted before everything could show up"
		}
		switch {
		case o.Unread == "":
		case o.Name == "":
			all = append(all, o.Unread)
		default:
			all = append(all, o.Name+": "+o.Unread)
		}
	}
	return strings.Join(all, "; ")
}

// broken lists the checks that broke.
func (m *member) broken() (all []judge.Broken) {
	for _, b := range m.broke {
		if why := b.why(); why != "" {
			all = append(all, judge.Broken{Metrics: b.metrics, Why: why})
		}
	}
	return all
}

// openChecks opens the checks of the language that can measure something of the stream. A check that is open already is the
// runner's own.
func (s *step) openChecks(m *member) {
	for i, own := range m.checks {
		m.checks[i] = s.catch(m, own)
	}
	for _, kind := range s.sc.Checks {
		measures := func(row metric.Metric) bool { return m.spec.Measures(&row, s.sc) }
		if slices.ContainsFunc(kind.Metrics, measures) {
			g := openGuarded(&kind, checkConfig(m), s.folder.Output)
			s.opened.add(g.close)
			m.checks, m.broke = append(m.checks, g), append(m.broke, &g.breakage)
		}
	}
}

// checkConfig describes a stream to its checks.
func checkConfig(m *member) reports.CheckConfig {
	return reports.CheckConfig{Stream: m.spec.Name, Identity: m.env.Identity, Windows: m.plan.Names, WindowAt: m.plan.WindowAt}
}
