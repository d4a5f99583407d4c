package toxi

import (
	"sync"
	"time"
)

// pacer is the bandwidth of one direction of a link, which all its connections share. It models a wire that carries
// one piece after the other. It is safe for concurrent use.
type pacer struct {
	rate float64 // bytes a second

	mu   sync.Mutex
	busy time.Time // until when the wire is occupied
}

// Timers are not finer than this. A shorter wait is skipped, and the next piece makes up for it.
const finestWait = time.Millisecond

// piece is how many of n bytes go at once: the bytes of 10 ms, so that a slow wire trickles instead of bursting.
func (p *pacer) piece(n int) int {
	const least, length = 256, 10 * time.Millisecond
	return min(n, max(least, int(p.rate*length.Seconds())))
}

// reserve occupies the wire for n bytes. It returns when they have passed.
func (p *pacer) reserve(now time.Time, n int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy.Before(now) {
		p.busy = now
	}
	p.busy = p.busy.Add(time.Duration(float64(n) / p.rate * float64(time.Second)))
	return p.busy
}

// bandwidthRule limits the bandwidth. The smallest bandwidth of several faults holds.
type bandwidthRule struct {
	*activeFault
	pacers [2]*pacer // by direction
}

func newBandwidthRule(f *activeFault) rule {
	rate := float64(f.config.Bandwidth)
	return &bandwidthRule{f, [2]*pacer{{rate: rate}, {rate: rate}}}
}

func (b *bandwidthRule) add(r *laneRules, _ *flow, d direction) {
	if p := b.pacers[d]; b.config.appliesTo().covers(d) && (r.pacer == nil || p.rate < r.pacer.rate) {
		r.pacer, r.pacedBy = p, []*activeFault{b.activeFault}
	}
}
