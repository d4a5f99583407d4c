package runner

import (
	"cmp"
	"context"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios/runner/judge"
)

// collector folds what the streams recorded, once a second.
type collector struct {
	t       *step
	mu      sync.Mutex // guards all below and the tallies
	watcher *watcher   // nil: nobody watches
	cores   map[int]float64
	state   map[string]string // of each fault
	limited map[string]int    // seconds by stream in which the load generator was saturated
	failure error
	aborts  *judge.Aborts
	abort   context.CancelCauseFunc // ends the run
}

// collect starts collecting. fail ends the run: because the harness failed, or by the scenario's own rules. The returned
// function collects the rest and hands it out. It is called when every stream has ended and everything was observed; ended is
// the end of the measured part.
func (t *step) collect(fail context.CancelCauseFunc) (finish func(ended time.Duration)) {
	c := &collector{t: t, cores: make(map[int]float64), state: make(map[string]string), limited: make(map[string]int)}
	c.aborts, c.abort = judge.NewAborts(t.sc.Abort), fail
	c.watcher = startWatcher(c)
	t.collector = c
	t.timeline.Notify = c.fault
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		timer := time.NewTimer(t.untilSecond())
		defer timer.Stop()
		for {
			select {
			case <-stop:
				return
			case <-timer.C:
			}
			c.tick(fail)
			timer.Reset(t.untilSecond())
		}
	}()
	return func(ended time.Duration) {
		close(stop)
		<-done
		c.mu.Lock()
		for i := range t.streams {
			c.gather(i, true)
		}
		c.mu.Unlock()
		c.watcher.close(ended)
	}
}

// untilSecond is the time to the next whole second of the run's clock, and a little more: every operation that was due in the
// second has then begun.
func (t *step) untilSecond() time.Duration {
	const settle = 5 * time.Millisecond
	now := t.clock()
	next := now.Truncate(time.Second)
	if now >= next {
		next += time.Second
	}
	return next - now + settle
}

// tick folds the second that just ended.
func (c *collector) tick(fail context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.t
	now := t.clock()
	c.cores[int(now/time.Second)-1] = t.machine.cores()
	for i, s := range t.streams {
		if s.traffic != nil {
			s.traffic.Flush()
			if err := s.traffic.Failed(); err != nil {
				fail(err)
			}
		}
		c.gather(i, false)
		c.gauges(i, now)
	}
	if err := t.folder.Checkpoint(func() *reports.Run { return t.partial(now) }); err != nil {
		c.failure = cmp.Or(c.failure, err)
		fail(err)
	}
	c.watcher.notify()
}

// gather takes the slots that can no longer change into the stream's tally. rest: all that is left.
func (c *collector) gather(i int, rest bool) {
	t, s, tally := c.t, c.t.streams[i], c.t.streams[i].tally
	taken, until := s.take(rest)
	s.add(taken)
	tally.Complete(until, func(start time.Duration, sec *judge.Second) {
		sec.Row.Limited = c.limits(s, start, &sec.Cell)
		if sec.Row.Limited {
			c.limited[s.spec.Name]++
		}
		length := min(time.Second, t.sc.Run.Duration-start)
		tally.Judge(start, length, sec)
		if why := c.aborts.Add(s.spec.Name, start, length, &sec.Cell, sec.Row.Limited); why != "" {
			c.abort(judge.Stopped{Why: why})
		}
		if err := t.folder.Interval(s.spec.Name, t.epoch().Add(start), sec.Cell.Response.Export()); err != nil {
			c.failure = cmp.Or(c.failure, err)
		}
	})
}

// saturatedLag is the lag from which a generator that has used up its CPU counts as saturated.
const saturatedLag = 10 * time.Millisecond

// limits says whether the load generator was saturated in a second of a stream: it was late, it dropped operations, or it had used
// up the CPU. Without CPU a closed model cannot show its own lag, and a client library may block the sender.
func (c *collector) limits(s *member, start time.Duration, cell *metrics.Cell) bool {
	if s.traffic == nil { // the members of a group run in this process
		return s.observer.Group != nil && saturated(c.cores[int(start/time.Second)])
	}
	lag, known := cell.Lag.Rank(0.99, cell.Lag.Count())
	full := saturated(c.cores[int(start/time.Second)])
	hidden := s.traffic.Closed() || s.traffic.Pipelined() // the lag may not show
	return cell.DroppedByUs > 0 || known && lag > c.t.sc.Run.MaxLag || full && (hidden || lag > saturatedLag)
}

// gauges reads the gauges of a stream's driver, source and group.
func (c *collector) gauges(i int, now time.Duration) {
	s, tally := c.t.streams[i], c.t.streams[i].tally
	emit := func(name string, value float64) {
		if now >= 0 {
			tally.Gauges[name] = append(tally.Gauges[name], reports.Sample{AtNS: int64(now), Value: value})
		}
	}
	if g, ok := s.driver.(drivers.Gauger); ok {
		g.Gauges(emit)
	}
	if s.observer != nil {
		s.observer.Gauges(now, emit)
	}
}

// baselineHealthy says whether the target is as the gates on the baseline want it, and why not.
func (c *collector) baselineHealthy() (healthy bool, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.t
	if len(t.plan.Over(faults.Baseline)) == 0 {
		return true, ""
	}
	var streams []judge.SoFar
	for _, s := range t.streams {
		streams = append(streams, judge.SoFar{
			Spec: s.spec, Tally: s.tally, Baseline: judge.BaselineOf(s.tally, s.open()), InFlight: s.inFlight(), Limited: c.limited[s.spec.Name] > 0,
		})
	}
	return judge.BaselineHealthy(t.sc.Expect, streams, t.clock())
}

// fault keeps a fault's change of state.
func (c *collector) fault(e faults.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state[e.Injection.Name] = stateOf(e)
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
