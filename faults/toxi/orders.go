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

// orders are the faults in force on a link. They never change: they are replaced, and changed is closed when that happened.
type orders struct {
	forces  []*force
	closed  bool
	changed chan struct{}
	// byRequest: some of the faults meet a share of the requests, so that what rules a connection may change with each.
	byRequest bool
}

func newOrders(forces []*force) *orders {
	return &orders{
		forces: forces, changed: make(chan struct{}),
		byRequest: slices.ContainsFunc(forces, func(f *force) bool { return f.config.Requests != 0 }),
	}
}

// force is a fault while it is in force.
type force struct {
	*Fault
	since time.Time
	// before is the highest number of the connections that existed then.
	before uint64
	delay  delay
	pacers [2]*pacer
}

func newForce(f *Fault, before uint64) *force {
	now := &force{Fault: f, since: time.Now(), before: before}
	now.delay = delay{Latency: f.config.Latency, since: f.begun, over: f.lasts, spread: f.spread}
	if rate := float64(f.config.Bandwidth); rate > 0 {
		now.pacers = [2]*pacer{{rate: rate}, {rate: rate}}
	}
	return now
}

// picks says whether the fault meets a connection, and a request on it, from 1. 0 is no request: a share of the requests
// does not meet it. The same seed gives the same answer.
func (f *force) picks(on *flow, request uint64) bool {
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
func (f *force) silences(on *flow) bool {
	return f.config.HalfOpen != "" && (f.config.HalfOpen == Accepting || on.id <= f.before) && f.picks(on, 0)
}

// silences says whether a connection falls silent.
func (o *orders) silences(on *flow) bool {
	return slices.ContainsFunc(o.forces, func(f *force) bool { return f.silences(on) })
}

// kills says whether the fault resets connections when it comes into force.
func (f *force) kills(on *flow) bool {
	return (f.config.Refuse || f.config.Reset && f.config.Requests == 0) && f.picks(on, 0)
}

// refusers are the faults that refuse a new connection, and killers those that reset an existing one.
func (o *orders) refusers(on *flow) []*force {
	return o.those(func(f *force) bool { return f.config.Refuse && f.picks(on, 0) })
}

func (o *orders) killers(on *flow) []*force {
	return o.those(func(f *force) bool { return f.kills(on) })
}

func (o *orders) those(do func(f *force) bool) (them []*force) {
	for _, f := range o.forces {
		if do(f) {
			them = append(them, f)
		}
	}
	return them
}

// way is what rules one direction of a connection during one of its requests.
type way struct {
	delays    []*force      // with a latency
	most      time.Duration // what they, or a loss, can ask for at the most
	roundTrip time.Duration // what the latencies of both directions add to a round trip, on the average
	loss      faults.Share
	pacer     *pacer // nil: no limit
	slice     *Slice // nil: whole
	lull      time.Duration
	ender     *ender // nil: none by bytes
	expiry    *ender // nil: none by time
	cut, drop bool   // drop: what is cut is lost, otherwise it waits

	connectDelay time.Duration

	// Whom to charge: meets with every byte that is taken in, cutBy also with those found waiting; the others with what
	// they did something to.
	meets, cutBy, pacedBy, lossBy, lullBy, resetBy, connectBy []*force
}

// compose adds up the faults that meet a request of a connection in a direction.
func (o *orders) compose(f *flow, d direction, request uint64) *way {
	w := &way{}
	for _, force := range o.forces {
		if force.picks(f, request) {
			w.add(force, f, d)
		}
	}
	// A fault that is charged with every byte anyway is not charged twice.
	charged := func(f *force) bool { return slices.Contains(w.meets, f) }
	w.pacedBy, w.lossBy = slices.DeleteFunc(w.pacedBy, charged), slices.DeleteFunc(w.lossBy, charged)
	return w
}

func (w *way) add(f *force, on *flow, d direction) {
	c := &f.config
	if f.taps(on) {
		w.meets = append(w.meets, f)
	}
	if c.Latency.set() {
		for _, way := range []direction{toTarget, fromTarget} {
			if c.goes().covers(way) {
				w.roundTrip += f.delay.mean(time.Now())
			}
		}
	}
	if c.ConnectDelay > 0 {
		w.connectDelay += c.ConnectDelay
		w.connectBy = append(w.connectBy, f)
	}
	if c.Reset {
		w.resetBy = append(w.resetBy, f)
	}
	partition, silence := c.Partition.covers(d), f.silences(on)
	if partition || silence {
		w.cut, w.drop = true, w.drop || silence || c.Mode != Hold
		w.cutBy = append(w.cutBy, f)
	}
	if slows := c.goes().covers(d) && (c.Latency.set() || c.Slice != nil); partition || silence || slows {
		w.meets = append(w.meets, f)
	}
	if c.CloseAfter != nil && c.CloseAfter.Time > 0 {
		w.expire(&ender{by: f, at: later(f.since, on.born).Add(c.CloseAfter.Time)})
	}
	if c.goes().covers(d) {
		w.slow(f, d)
	}
}

// slow adds what obeys a direction.
func (w *way) slow(f *force, d direction) {
	c := &f.config
	if c.Latency.set() {
		w.delays = append(w.delays, f)
		w.most = sum(w.most, f.delay.most())
	}
	if c.Loss > 0 {
		w.loss = 1 - (1-w.loss)*(1-c.Loss)
		w.lossBy = append(w.lossBy, f)
		w.most = math.MaxInt64
	}
	if p := f.pacers[d]; p != nil && (w.pacer == nil || p.rate < w.pacer.rate) {
		w.pacer, w.pacedBy = p, []*force{f}
	}
	if c.Slice != nil && (w.slice == nil || c.Slice.Size < w.slice.Size) {
		w.slice = c.Slice
	}
	if c.SlowClose > 0 {
		w.lull += c.SlowClose
		w.lullBy = append(w.lullBy, f)
	}
	if l := c.CloseAfter; l != nil && l.Bytes > 0 && (w.ender == nil || l.Bytes < w.ender.most) {
		w.ender = &ender{by: f, most: l.Bytes}
	}
}

// expire keeps the earlier end.
func (w *way) expire(e *ender) {
	if w.expiry == nil || e.at.Before(w.expiry.at) {
		w.expiry = e
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
func (o *orders) idle() bool { return len(o.forces) == 0 && !o.closed }

// cutters returns those of by that did not cut before.
func (w *way) cutters(before *way) []*force {
	if before == nil {
		return w.cutBy
	}
	return slices.DeleteFunc(slices.Clone(w.cutBy), func(f *force) bool { return slices.Contains(before.cutBy, f) })
}
