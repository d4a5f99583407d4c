package toxi

import (
	"math"
	"slices"
	"time"

	"wringer/faults"
)

// laneRules are the rules of one direction of a connection during one of its requests.
type laneRules struct {
	delays       []*activeFault // faults with a latency
	most         time.Duration  // the largest delay that the latencies and losses can cause
	roundTrip    time.Duration  // the mean that the latencies of both directions add to a round trip
	loss         faults.Share
	pacer        *pacer         // nil: no limit
	slice        *Slice         // nil: not sliced
	slicedBy     []*activeFault // the fault that slices
	closeDelay   time.Duration
	closeByBytes *closeRule // nil: no limit in bytes
	closeByTime  *closeRule // nil: no limit in time
	cut, drop    bool       // cut: no bytes pass. drop: cut bytes are lost; otherwise they wait

	connectDelay time.Duration

	// Which faults count traffic: taps look at all of it; meets counts every byte read; cutBy also the bytes already queued; the others, and delays
	// that may be 0, only the bytes they affected.
	taps, meets, cutBy, pacedBy, lossBy, closeDelayBy, resetBy, connectBy []*activeFault
}

// rule is one kind of an active fault, such as its latency or its loss.
type rule interface {
	// add adds the rule to those of a connection in a direction.
	add(r *laneRules, on *flow, d direction)
}

// newRules returns a rule for each kind that the fault's config sets.
func newRules(f *activeFault) (rules []rule) {
	c := &f.config
	for _, kind := range []struct {
		set bool
		new func(f *activeFault) rule
	}{
		{f.tap != nil, newTapRule},
		{c.Latency.set(), newLatencyRule},
		{c.ConnectDelay > 0, newConnectDelayRule},
		{c.Bandwidth > 0, newBandwidthRule},
		{c.Loss > 0, newLossRule},
		{c.Slice != nil, newSliceRule},
		{c.SlowClose > 0, newSlowCloseRule},
		{c.CloseAfter != nil, newCloseAfterRule},
		{c.Partition != "", newPartitionRule},
		{c.HalfOpen != "", newHalfOpenRule},
		{c.Reset, newResetRule},
	} {
		if kind.set {
			rules = append(rules, kind.new(f))
		}
	}
	return rules
}

// compose adds up the faults that act on a request of a connection in a direction.
func (a *activeFaults) compose(f *flow, d direction, request uint64) *laneRules {
	r := &laneRules{}
	for _, active := range a.faults {
		if active.picks(f, request) {
			for _, rule := range active.rules {
				rule.add(r, f, d)
			}
		}
	}
	// A fault in meets counts every byte, so it is not counted again for its pacing or loss.
	charged := func(f *activeFault) bool { return slices.Contains(r.meets, f) }
	r.pacedBy, r.lossBy = slices.DeleteFunc(r.pacedBy, charged), slices.DeleteFunc(r.lossBy, charged)
	r.slicedBy = slices.DeleteFunc(r.slicedBy, charged)
	return r
}

// meet makes a fault count every byte. Several rules of a fault may ask for it.
func (r *laneRules) meet(f *activeFault) { r.meets = appendOnce(r.meets, f) }

// cutOff cuts the lane for a fault. Several rules of a fault may ask for it.
func (r *laneRules) cutOff(f *activeFault, drop bool) {
	r.cut, r.drop = true, r.drop || drop
	r.cutBy = appendOnce(r.cutBy, f)
	r.meet(f)
}

// appendOnce appends a fault, unless it is the last one already: the rules of a fault are added one after the other.
func appendOnce(all []*activeFault, f *activeFault) []*activeFault {
	if n := len(all); n > 0 && all[n-1] == f {
		return all
	}
	return append(all, f)
}

// newCutters returns the faults in cutBy that did not cut before.
func (r *laneRules) newCutters(before *laneRules) []*activeFault {
	if before == nil {
		return r.cutBy
	}
	return slices.DeleteFunc(slices.Clone(r.cutBy), func(f *activeFault) bool { return slices.Contains(before.cutBy, f) })
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
