package toxi

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"wringer/faults"
)

// direction is one of the two ways of a link.
type direction int

const (
	toTarget direction = iota
	fromTarget
)

func (d direction) String() string { return [...]string{"to-target", "from-target"}[d] }

// activeFaults are the faults in force on a link. They never change: they are replaced, and changed is closed when that happened.
type activeFaults struct {
	faults  []*activeFault
	closed  bool
	changed chan struct{}
	// byRequest: some of the faults meet a share of the requests, so that what rules a connection may change with each.
	byRequest bool
}

func newActiveFaults(active []*activeFault) *activeFaults {
	return &activeFaults{
		faults: active, changed: make(chan struct{}),
		byRequest: slices.ContainsFunc(active, func(f *activeFault) bool { return f.config.Requests != 0 }),
	}
}

// activeFault is a fault while it is in force.
type activeFault struct {
	*Fault
	since time.Time
	// before is the highest number of the connections that existed then.
	before uint64
	delay  delay
	pacers [2]*pacer
}

func newActiveFault(f *Fault, before uint64) *activeFault {
	now := &activeFault{Fault: f, since: time.Now(), before: before}
	now.delay = delay{Latency: f.config.Latency, since: f.begun, over: f.lasts, spread: f.spread}
	if rate := float64(f.config.Bandwidth); rate > 0 {
		now.pacers = [2]*pacer{{rate: rate}, {rate: rate}}
	}
	return now
}

// picks says whether the fault meets a connection, and a request on it, from 1. 0 is no request: a share of the requests
// does not meet it. The same seed gives the same answer.
func (f *activeFault) picks(on *flow, request uint64) bool {
	if f.config.Requests != 0 && request == 0 || !f.aim.Covers(on.address, on.reached) {
		return false
	}
	return picks(f.config.Connections, f.seed, on.id, 0) && picks(f.config.Requests, f.seed, on.id, request)
}

// picks draws for a connection and a number on it; 0 is no share: all of them.
func picks(s faults.Share, seed, connection, number uint64) bool {
	return s == 0 || rand.New(rand.NewPCG(seed^number<<32, connection)).Float64() < float64(s)
}

// silences says whether the fault makes a connection fall silent.
func (f *activeFault) silences(on *flow) bool {
	return f.config.HalfOpen != "" && (f.config.HalfOpen == Accepting || on.id <= f.before) && f.picks(on, 0)
}

// silences says whether a connection falls silent.
func (a *activeFaults) silences(on *flow) bool {
	return slices.ContainsFunc(a.faults, func(f *activeFault) bool { return f.silences(on) })
}

// resets says whether the fault resets connections when it comes into force.
func (f *activeFault) resets(on *flow) bool {
	return (f.config.Refuse || f.config.Reset && f.config.Requests == 0) && f.picks(on, 0)
}

// refusing are the faults that refuse a new connection, and killers those that reset an existing one.
func (a *activeFaults) refusing(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.config.Refuse && f.picks(on, 0) })
}

func (a *activeFaults) resetting(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.resets(on) })
}

func (a *activeFaults) selectBy(do func(f *activeFault) bool) (them []*activeFault) {
	for _, f := range a.faults {
		if do(f) {
			them = append(them, f)
		}
	}
	return them
}

// laneRules is what rules one direction of a connection during one of its requests.
type laneRules struct {
	delays       []*activeFault // with a latency
	most         time.Duration  // what they, or a loss, can ask for at the most
	roundTrip    time.Duration  // what the latencies of both directions add to a round trip, on the average
	loss         faults.Share
	pacer        *pacer // nil: no limit
	slice        *Slice // nil: whole
	closeDelay   time.Duration
	closeByBytes *closeRule // nil: none by bytes
	closeByTime  *closeRule // nil: none by time
	cut, drop    bool       // drop: what is cut is lost, otherwise it waits

	connectDelay time.Duration

	// Whom to charge: meets with every byte that is taken in, cutBy also with those found waiting; the others with what
	// they did something to.
	meets, cutBy, pacedBy, lossBy, closeDelayBy, resetBy, connectBy []*activeFault
}

// compose adds up the faults that meet a request of a connection in a direction.
func (a *activeFaults) compose(f *flow, d direction, request uint64) *laneRules {
	r := &laneRules{}
	for _, active := range a.faults {
		if active.picks(f, request) {
			r.add(active, f, d)
		}
	}
	// A fault that is charged with every byte anyway is not charged twice.
	charged := func(f *activeFault) bool { return slices.Contains(r.meets, f) }
	r.pacedBy, r.lossBy = slices.DeleteFunc(r.pacedBy, charged), slices.DeleteFunc(r.lossBy, charged)
	return r
}

func (r *laneRules) add(f *activeFault, on *flow, d direction) {
	c := &f.config
	if f.taps(on) {
		r.meets = append(r.meets, f)
	}
	if c.Latency.set() {
		for _, dir := range []direction{toTarget, fromTarget} {
			if c.appliesTo().covers(dir) {
				r.roundTrip += f.delay.mean(time.Now())
			}
		}
	}
	if c.ConnectDelay > 0 {
		r.connectDelay += c.ConnectDelay
		r.connectBy = append(r.connectBy, f)
	}
	if c.Reset {
		r.resetBy = append(r.resetBy, f)
	}
	partition, silence := c.Partition.covers(d), f.silences(on)
	if partition || silence {
		r.cut, r.drop = true, r.drop || silence || c.Mode != Hold
		r.cutBy = append(r.cutBy, f)
	}
	if slows := c.appliesTo().covers(d) && (c.Latency.set() || c.Slice != nil); partition || silence || slows {
		r.meets = append(r.meets, f)
	}
	if c.CloseAfter != nil && c.CloseAfter.Time > 0 {
		r.expire(&closeRule{by: f, at: later(f.since, on.born).Add(c.CloseAfter.Time)})
	}
	if c.appliesTo().covers(d) {
		r.slow(f, d)
	}
}

// slow adds what obeys a direction.
func (r *laneRules) slow(f *activeFault, d direction) {
	c := &f.config
	if c.Latency.set() {
		r.delays = append(r.delays, f)
		r.most = sum(r.most, f.delay.most())
	}
	if c.Loss > 0 {
		r.loss = 1 - (1-r.loss)*(1-c.Loss)
		r.lossBy = append(r.lossBy, f)
		r.most = math.MaxInt64
	}
	if p := f.pacers[d]; p != nil && (r.pacer == nil || p.rate < r.pacer.rate) {
		r.pacer, r.pacedBy = p, []*activeFault{f}
	}
	if c.Slice != nil && (r.slice == nil || c.Slice.Size < r.slice.Size) {
		r.slice = c.Slice
	}
	if c.SlowClose > 0 {
		r.closeDelay += c.SlowClose
		r.closeDelayBy = append(r.closeDelayBy, f)
	}
	if l := c.CloseAfter; l != nil && l.Bytes > 0 && (r.closeByBytes == nil || l.Bytes < r.closeByBytes.most) {
		r.closeByBytes = &closeRule{by: f, most: l.Bytes}
	}
}

// expire keeps the earlier end.
func (r *laneRules) expire(rule *closeRule) {
	if r.closeByTime == nil || rule.at.Before(r.closeByTime.at) {
		r.closeByTime = rule
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// sum adds durations without running over.
func sum(a, b time.Duration) time.Duration {
	if s := a + b; s >= a || b < 0 {
		return s
	}
	return math.MaxInt64
}

// idle says that bytes pass and nothing else is asked for.
func (a *activeFaults) idle() bool { return len(a.faults) == 0 && !a.closed }

// newCutters returns those of by that did not cut before.
func (r *laneRules) newCutters(before *laneRules) []*activeFault {
	if before == nil {
		return r.cutBy
	}
	return slices.DeleteFunc(slices.Clone(r.cutBy), func(f *activeFault) bool { return slices.Contains(before.cutBy, f) })
}
