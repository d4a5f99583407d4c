package runner

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios/runner/judge"
)

// collector folds what the streams recorded, once a second, and tells those who watch.
type collector struct {
	t       *trial
	mu      sync.Mutex // guards all below and the tallies
	moments chan Live  // for the watcher
	cores   map[int]float64
	state   map[string]string // of each fault
	limited map[string]int    // seconds by stream in which the load generator was saturated
	failure error
	aborts  *judge.Aborts
	give    context.CancelCauseFunc // ends the run
}

// collect starts collecting. fail is called when the harness itself failed. The returned function collects the rest; call
// it when every stream has ended and everything was observed.
func (t *trial) collect(ctx context.Context, fail context.CancelCauseFunc) (finish func()) {
	c := &collector{t: t, cores: make(map[int]float64), state: make(map[string]string), limited: make(map[string]int)}
	c.moments = make(chan Live, moments)
	c.aborts, c.give = judge.NewAborts(t.sc.Abort), fail
	t.collector = c
	t.timeline.Notify = c.fault
	stop, done, watched := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for l := range c.moments {
			t.opt.Watch(l)
		}
	}()
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
	return func() {
		close(stop)
		<-done
		close(c.moments)
		<-watched
		c.mu.Lock()
		defer c.mu.Unlock()
		for i := range t.streams {
			c.gather(i, true)
		}
	}
}

// untilSecond is the time to the next whole second of the run's clock, and a little more: so that what was due in the
// second has begun.
func (t *trial) untilSecond() time.Duration {
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
	c.tell()
}

// moments is how many moments may wait for the watcher.
const moments = 16

// tell hands this moment to the watcher, under the lock. A watcher that is held up (a terminal that does not take its
// output) holds up neither the collector nor a fault's healing: it misses the oldest.
func (c *collector) tell() {
	if len(c.moments) == cap(c.moments) {
		select {
		case <-c.moments:
		default:
		}
	}
	c.moments <- c.live()
}

// gather takes the slots that can no longer change into the stream's tally. rest: all that is left.
func (c *collector) gather(i int, rest bool) {
	t, s, tally := c.t, c.t.streams[i], c.t.streams[i].tally
	taken, until := s.take(rest)
	tally.Add(taken)
	tally.Complete(until, func(start time.Duration, sec *judge.Second) {
		sec.Row.Limited = c.limits(s, start, &sec.Cell)
		if sec.Row.Limited {
			c.limited[s.spec.Name]++
		}
		length := min(time.Second, t.sc.Run.Duration-start)
		tally.Judge(start, length, sec)
		if why := c.aborts.Add(s.spec.Name, start, length, &sec.Cell, sec.Row.Limited); why != "" {
			c.give(judge.Stopped{Why: why})
		}
		if err := t.folder.Interval(s.spec.Name, t.epoch().Add(start), sec.Cell.Response.Export()); err != nil {
			c.failure = cmp.Or(c.failure, err)
		}
	})
}

// The generator's own lag counts as a sign of saturation from here on, when the CPU is used up as well.
const saturatedLag = 10 * time.Millisecond

// limits says whether the load generator was saturated in a second of a stream: it was late, it dropped, or it had used up the
// CPU (then a closed model cannot show its own lateness, and a client library may hold up the sender for want of it).
func (c *collector) limits(s *member, start time.Duration, cell *metrics.Cell) bool {
	if s.traffic == nil { // the members of a group are ours too
		return s.observer.Group != nil && saturated(c.cores[int(start/time.Second)])
	}
	lag, known := cell.Lag.Rank(0.99, cell.Lag.Count())
	full := saturated(c.cores[int(start/time.Second)])
	held := s.traffic.Closed() || s.traffic.Pipelined()
	return cell.DroppedByUs > 0 || known && lag > c.t.sc.Run.MaxLag || full && (held || lag > saturatedLag)
}

// gauges reads what only the protocol knows.
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
	if _, ok := t.plan.Index[faults.Baseline]; !ok {
		return true, ""
	}
	var streams []judge.SoFar
	for _, s := range t.streams {
		streams = append(streams, judge.SoFar{
			Spec: s.spec, Tally: s.tally, Baseline: judge.BaselineOf(s.tally, s.open()), InFlight: s.inFlight(), Limited: c.limited[s.spec.Name] > 0,
		})
	}
	return judge.BaselineHealthy(t.plan, t.sc.Expect, streams, t.clock())
}

// fault takes note of a fault's change of state.
func (c *collector) fault(e faults.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state[e.Injection.Name] = stateOf(e)
	c.tell()
}

// stateOf puts a fault's step in words.
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

// live describes this moment. Streams are told over the last whole second.
func (c *collector) live() Live {
	t := c.t
	now := t.clock()
	l := Live{
		Name: t.sc.Name, At: now, Warmup: t.sc.Run.Warmup, Duration: t.sc.Run.Duration, Drain: t.sc.Run.Drain,
		Window: "warmup", Windows: t.windows(t.sc.Run.Duration, t.sc.Run.Duration),
	}
	if now >= 0 {
		l.Window = t.plan.Names[t.plan.WindowAt(now)]
	}
	for i := range t.sc.Faults {
		f := &t.sc.Faults[i]
		l.Faults = append(l.Faults, LiveFault{Name: f.Label(), Start: f.At, End: f.End(), State: cmp.Or(c.state[f.Label()], "waiting")})
	}
	for _, s := range t.streams {
		l.Streams = append(l.Streams, s.moment(now))
	}
	return l
}

// moment describes the stream over the last whole second before now.
func (s *member) moment(now time.Duration) LiveStream {
	l := LiveStream{Name: s.spec.Name, InFlight: s.inFlight(), Consumes: s.spec.Consume != nil}
	total, last := s.tally.Snapshot(s.open(), int(now/time.Second)-1)
	l.Total, l.Offered, l.Retries, l.Rate = total, last.Offered, last.Retries, float64(last.Acked)
	if last.Offered > 0 {
		l.Errors = float64(last.Offered-last.Acked) / float64(last.Offered)
	}
	if last.P99NS != nil {
		l.P99, l.Answered = time.Duration(*last.P99NS), true
	}
	if v, ok := s.live(); ok && s.observer != nil {
		l.Observed, l.Seen, l.Unseen = true, v.Seen, v.Unseen
	}
	return l
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
