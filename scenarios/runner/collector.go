package runner

import (
	"cmp"
	"context"
	"math"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
)

// collector folds the recordings of the streams, once a second.
type collector struct {
	step    *step
	mu      sync.Mutex // guards all below but the faults' states, the tallies and the step's meter
	watcher *watcher   // nil: nobody watches
	cores   map[int]float64
	limited map[string]int           // seconds by stream in which the load generator was saturated
	parts   map[string]*reports.Part // of the target, as it measures them
	failure error
	aborts  *judge.Aborts
	abort   context.CancelCauseFunc // ends the run
	ended   []interval              // seconds that are not in the interval log yet

	// states has a mutex of its own: a fault that begins waits for no folding of a second.
	states sync.Mutex
	state  map[string]string // of each fault
}

// interval is a second of a stream for the interval log.
type interval struct {
	stream string
	start  time.Time
	times  *hdrhistogram.PackedHistogram
}

// collect starts collecting. fail ends the run: because the harness failed, or by the scenario's own rules. The returned
// function collects the rest and returns it. Call it when every stream has ended and observation is over; ended is the end of
// the measured part.
func (s *step) collect(fail context.CancelCauseFunc) (finish func(ended time.Duration)) {
	c := &collector{step: s, cores: make(map[int]float64), state: make(map[string]string), limited: make(map[string]int), parts: make(map[string]*reports.Part)}
	c.aborts, c.abort = judge.NewAborts(s.sc.Abort), fail
	c.watcher = startWatcher(c)
	s.collector = c
	s.timeline.Notify = func(e faults.Event) {
		s.tellLinks(e)
		c.fault(e)
	}
	if s.sc.Run.Warmup > 0 { // a short one has no second of its own, and on a busy machine it may be over by now
		for _, m := range s.streams {
			c.gauges(m, min(s.clock(), -1))
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(s.untilSecond())
		defer timer.Stop()
		for {
			select {
			case <-stop:
				return
			case <-timer.C:
			}
			c.tick(fail)
			timer.Reset(s.untilSecond())
		}
	}()
	return func(ended time.Duration) {
		close(stop)
		<-done
		c.mu.Lock()
		s.meter.read(ended, true)
		for _, m := range s.streams {
			c.gather(m, true)
			c.sort(m, true)
			c.gauges(m, s.clock()) // what happened since the last second
		}
		c.measure()
		c.mu.Unlock()
		c.note(c.writeIntervals())
		c.watcher.close(ended)
	}
}

// untilSecond is the time to the next whole second of the run's clock, and a little more. By then every operation that was due
// in the second has begun.
func (s *step) untilSecond() time.Duration {
	const settle = 5 * time.Millisecond
	now := s.clock()
	next := now.Truncate(time.Second)
	if now >= next {
		next += time.Second
	}
	return next - now + settle
}

// tick folds the second that just ended. What takes long, writing, is done without the mutex: faults that begin ask for it.
func (c *collector) tick(fail context.CancelCauseFunc) {
	now := c.fold(fail)
	c.note(c.writeIntervals())
	if err := c.step.folder.Checkpoint(func() ([]byte, error) { return c.encode(now) }); err != nil {
		c.note(err)
		fail(err)
	}
	c.watcher.notify()
}

func (c *collector) fold(fail context.CancelCauseFunc) (now time.Duration) {
	s := c.step
	c.mu.Lock()
	defer c.mu.Unlock()
	s.meter.read(s.clock(), false)
	now = s.clock()
	c.cores[int(now/time.Second)-1] = s.machine.cores()
	for _, m := range s.streams {
		if m.traffic != nil {
			m.traffic.Flush()
			if err := m.traffic.Failed(); err != nil {
				fail(err)
			}
		}
		c.gather(m, false)
		c.sort(m, false)
		c.gauges(m, now)
	}
	c.measure()
	if s.giveUp {
		c.hopeless(fail)
	}
	return now
}

// encode returns the record so far.
func (c *collector) encode(now time.Duration) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	run := c.step.partial(now)
	run.Coarsen()
	return c.step.folder.Encode(run)
}

// writeIntervals appends the seconds that ended to the interval log, and returns the first error. One call at a time.
func (c *collector) writeIntervals() (failed error) {
	c.mu.Lock()
	ended := c.ended
	c.ended = nil
	c.mu.Unlock()
	for _, i := range ended {
		failed = cmp.Or(failed, c.step.folder.Interval(i.stream, i.start, i.times))
	}
	return failed
}

// note keeps the first error of the record.
func (c *collector) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = cmp.Or(c.failure, err)
}

// gather takes the slots that can no longer change into the stream's tally. rest: all remaining slots.
func (c *collector) gather(m *member, rest bool) {
	s := c.step
	taken, until := m.take(rest)
	m.add(taken)
	m.tally.Complete(until, func(start time.Duration, sec *judge.Second) {
		sec.Row.Limited, sec.Late = c.limits(m, start, &sec.Cell)
		if sec.Row.Limited {
			c.limited[m.spec.Name]++
		}
		length := min(time.Second, s.sc.Run.Duration-start)
		m.tally.Judge(start, length, sec)
		if why := c.aborts.Add(m.spec.Name, start, length, &sec.Cell, sec.Row.Limited || s.meter.busy(secondOf(start))); why != "" {
			c.abort(judge.Stopped{Why: why})
		}
		c.ended = append(c.ended, interval{m.spec.Name, s.epoch().Add(start), sec.Cell.Response.Export()})
	})
}

// sort tells the seconds of a stream apart that say little of the target, once the second after each was read. rest: all remaining seconds. The caller
// holds mu.
func (c *collector) sort(m *member, rest bool) {
	until, meter := math.MaxInt, c.step.meter
	if meter != nil && !rest {
		until = meter.until - 1
	}
	m.tally.Sort(until, rest, meter.busy)
}

// saturatedLag is the lag from which a load generator that has used up its CPU counts as saturated.
const saturatedLag = 10 * time.Millisecond

// In a saturated second, at least leastLate operations and more than one of lateShare, or all, were late or not sent.
const (
	leastLate = 5
	lateShare = 100
)

// late says whether so many operations of a second were later than maxLag, or not sent by the generator's own doing, that it was
// saturated.
func late(cell *metrics.Cell, maxLag time.Duration) bool {
	n := cell.Lag.Beyond(maxLag) + cell.DroppedByUs
	all := max(cell.Lag.Count(), cell.DroppedByUs)
	return n > 0 && n >= all || n >= leastLate && n*lateShare > all
}

// limits reports whether the load generator was saturated in a second of a stream: it was late, it dropped operations, or it
// had used up the CPU. The CPU counts because a closed model cannot show its own lag, and a client library may block the
// sender. Where lateness made it saturated, it counts the late operations.
func (c *collector) limits(m *member, start time.Duration, cell *metrics.Cell) (limited bool, overdue int64) {
	full := saturated(c.cores[int(start/time.Second)])
	if m.traffic == nil { // the members of a group run in this process
		return m.group() != nil && full, 0
	}
	lag, _ := cell.Lag.Rank(0.99, cell.Lag.Count())
	hidden := m.traffic.Closed() || m.traffic.Pipelined() // the lag may not show
	switch {
	case full && lag > saturatedLag:
		return true, cell.Lag.Beyond(saturatedLag)
	case late(cell, c.step.sc.Run.MaxLag):
		return true, cell.Lag.Beyond(c.step.sc.Run.MaxLag)
	}
	return full && hidden, 0
}

// gauges reads the gauges of a stream's driver, source and group.
func (c *collector) gauges(m *member, now time.Duration) {
	emit := func(name string, value float64) {
		if now >= 0 {
			m.tally.Gauges[name] = append(m.tally.Gauges[name], reports.Sample{AtNS: int64(now), Value: value})
			return
		}
		before := m.tally.Before[name]
		if before.At != now {
			before = judge.Before{At: now}
		}
		before.Value += value
		m.tally.Before[name] = before
	}
	if g, ok := m.driver.(drivers.Gauger); ok {
		g.Gauges(emit)
	}
	for _, o := range m.observers {
		o.Gauges(now, emit)
	}
}

// measure takes what the target has measured of its parts since the last time. Readings from before the measured part are left out.
func (c *collector) measure() {
	target, ok := c.step.target.(scenarios.Measured)
	if !ok {
		return
	}
	target.Gauges(func(part, gauge string, at time.Time, value float64) {
		since := at.Sub(c.step.epoch())
		if since < 0 {
			return
		}
		p := c.parts[part]
		if p == nil {
			p = &reports.Part{Gauges: make(map[string][]reports.Sample)}
			c.parts[part] = p
		}
		p.Gauges[gauge] = append(p.Gauges[gauge], reports.Sample{AtNS: int64(since), Value: value})
	})
}

// baselineHealthy reports whether the target meets the gates on the baseline, and if not, why.
func (c *collector) baselineHealthy() (healthy bool, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.step
	if len(s.plan.Over(faults.Baseline)) == 0 {
		return true, ""
	}
	s.meter.read(s.clock(), false) // the tick may be late: then the machine was busy
	var streams []judge.SoFar
	for _, m := range s.streams {
		streams = append(streams, judge.SoFar{
			Spec: m.spec, Tally: m.tally, Baseline: judge.BaselineOf(m.tally, m.open(), s.meter.busy), InFlight: m.inFlight(),
			Acked:   judge.AckedOf(m.tally, m.open()),
			Limited: c.limited[m.spec.Name] > 0, Busy: s.meter.busy, MayBeBusy: s.meter.mayBeBusy,
		})
	}
	return judge.BaselineHealthy(s.sc.Expect, streams, s.clock())
}

// hopeless ends the run once a gate is certain to fail.
func (c *collector) hopeless(fail context.CancelCauseFunc) {
	s := c.step
	var streams []judge.SoFar
	for _, m := range s.streams {
		streams = append(streams, judge.SoFar{
			Spec: m.spec, Tally: m.tally, All: judge.AllOf(m.tally, m.open(), s.meter.mayBeBusy), Limited: c.limited[m.spec.Name] > 0,
			MayBeBusy: s.meter.mayBeBusy,
		})
	}
	if why := judge.Hopeless(s.sc, streams); why != "" {
		fail(judge.Stopped{Why: why})
	}
}

// fault keeps a fault's change of state.
func (c *collector) fault(e faults.Event) {
	if e.Step == faults.Injecting {
		c.step.cuts.Add(e.Injection.InjectAt)
	}
	if e.Step == faults.Ended {
		c.step.healed[e.Injection.Index](e.Injection.HealedAt)
	}
	c.states.Lock()
	c.state[e.Injection.Name] = stateOf(e)
	c.states.Unlock()
	c.watcher.notify()
}

// stateOf is the state of a fault in words.
func stateOf(e faults.Event) string {
	switch {
	case e.Injection.InjectErr != nil, e.Injection.HealErr != nil, e.Injection.ProbeErr != nil:
		return "failed"
	case e.Step == faults.Injected, e.Step == faults.Healing:
		return "in force"
	case e.Step == faults.Ended:
		return "healed"
	}
	return e.Step.String()
}
