package toxi

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"wringer/faults"
)

// direction is one of the two directions of a link.
type direction int

const (
	toTarget direction = iota
	fromTarget
)

func (d direction) String() string { return [...]string{"to-target", "from-target"}[d] }

// activeFaults are the faults in force on a link. The value never changes: another one replaces it, and changed is
// closed then.
type activeFaults struct {
	faults  []*activeFault
	closed  bool
	changed chan struct{}
	// byRequest: some faults act on a share of the requests, so the rules of a connection may change with each
	// request.
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
	// before is the highest connection number at that time.
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

// picks reports whether the fault acts on a connection, and on a request of it. Requests count from 1. With request 0
// a fault on a share of the requests does not act. The same seed gives the same answer.
func (f *activeFault) picks(on *flow, request uint64) bool {
	if f.config.Requests != 0 && request == 0 || !f.aim.Covers(on.address, on.reached) {
		return false
	}
	return picks(f.config.Connections, f.seed, on.id, 0) && picks(f.config.Requests, f.seed, on.id, request)
}

// picks draws for a connection and a number on it. Share 0 picks all.
func picks(s faults.Share, seed, connection, number uint64) bool {
	return s == 0 || rand.New(rand.NewPCG(seed^number<<32, connection)).Float64() < float64(s)
}

// silences reports whether the fault silences a connection.
func (f *activeFault) silences(on *flow) bool {
	return f.config.HalfOpen != "" && (f.config.HalfOpen == Accepting || on.id <= f.before) && f.picks(on, 0)
}

// silences reports whether any fault silences a connection.
func (a *activeFaults) silences(on *flow) bool {
	return slices.ContainsFunc(a.faults, func(f *activeFault) bool { return f.silences(on) })
}

// resets reports whether the fault resets a connection when the fault comes into force.
func (f *activeFault) resets(on *flow) bool {
	return (f.config.Refuse || f.config.Reset && f.config.Requests == 0) && f.picks(on, 0)
}

// refusing are the faults that refuse a new connection. resetting are those that reset an existing one.
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

// laneRules are the rules of one direction of a connection during one of its requests.
type laneRules struct {
	delays       []*activeFault // faults with a latency
	most         time.Duration  // the largest delay that the latencies and losses can cause
	roundTrip    time.Duration  // the mean that the latencies of both directions add to a round trip
	loss         faults.Share
	pacer        *pacer // nil: no limit
	slice        *Slice // nil: not sliced
	closeDelay   time.Duration
	closeByBytes *closeRule // nil: no limit in bytes
	closeByTime  *closeRule // nil: no limit in time
	cut, drop    bool       // cut: no bytes pass. drop: cut bytes are lost; otherwise they wait

	connectDelay time.Duration

	// Which faults count traffic: meets counts every byte read; cutBy also the bytes already queued; the others only
	// the bytes they affected.
	meets, cutBy, pacedBy, lossBy, closeDelayBy, resetBy, connectBy []*activeFault
}

// compose adds up the faults that act on a request of a connection in a direction.
func (a *activeFaults) compose(f *flow, d direction, request uint64) *laneRules {
	r := &laneRules{}
	for _, active := range a.faults {
		if active.picks(f, request) {
			r.add(active, f, d)
		}
	}
	// A fault in meets counts every byte, so it is not counted again for its pacing or loss.
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

// slow adds the settings that a direction limits.
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

// expire keeps the earlier of two ends.
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

// sum adds durations without overflow.
func sum(a, b time.Duration) time.Duration {
	if s := a + b; s >= a || b < 0 {
		return s
	}
	return math.MaxInt64
}

// idle reports whether bytes pass without any fault.
func (a *activeFaults) idle() bool { return len(a.faults) == 0 && !a.closed }

// newCutters returns the faults in cutBy that did not cut before.
func (r *laneRules) newCutters(before *laneRules) []*activeFault {
	if before == nil {
		return r.cutBy
	}
	return slices.DeleteFunc(slices.Clone(r.cutBy), func(f *activeFault) bool { return slices.Contains(before.cutBy, f) })
}
