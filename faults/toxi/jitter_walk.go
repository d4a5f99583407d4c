package toxi

import (
	"math/rand/v2"
	"time"
)

// jitterWalk draws the jitter of a fault's latency, for one direction of one connection.
//
// Independent draws would do if bytes could overtake each other. They cannot. In a dense stream each chunk waits for
// the slowest before it. The mean then creeps up towards the largest delay (50 +- 50 ms gave 88 ms). So a chunk that
// follows closely gets no draw of its own. Its quantile moves from the last one, back and forth between 0 and 1. It
// moves so slowly that the delay changes by at most half the gap between the two chunks. So a chunk never catches up
// with the one before. The quantiles are swept at an even speed, so the walk has the distribution's mean. It has the
// distribution's shape in as many steps as the coarse table has. In a dense stream the tail is rarer and longer than
// the distribution says, because chunks cannot overtake each other.
//
// A chunk whose predecessor was already delivered cannot overtake it, and gets a fresh draw. A chunk that follows by
// at least half the distribution's width gets one too. That shifts the mean by at most a few hundredths.
type jitterWalk struct {
	random  *rand.Rand
	at      float64 // the quantile
	falling bool
	last    time.Time // arrival of the previous chunk
}

func newJitterWalk(seed, connection uint64, d direction) *jitterWalk {
	return &jitterWalk{random: rand.New(rand.NewPCG(seed, connection<<1|uint64(d)))}
}

// next returns the deviation of a chunk that arrived at now. free: all chunks before it were delivered by then.
func (w *jitterWalk) next(now time.Time, s *spread, free bool) time.Duration {
	gap := now.Sub(w.last)
	w.last = now
	if free || gap >= s.width()/2 {
		w.at = w.random.Float64()
		w.falling = w.random.Uint64()&1 == 0
		return s.draw(w.at)
	}
	w.sweep(float64(gap) / s.slope / 2)
	return s.swept(w.at)
}

// sweep moves the quantile by step, at most 1, and turns at 0 and 1.
func (w *jitterWalk) sweep(step float64) {
	if w.falling {
		step = -step
	}
	w.at += step
	switch {
	case w.at > 1:
		w.at, w.falling = 2-w.at, true
	case w.at < 0:
		w.at, w.falling = -w.at, false
	}
}
