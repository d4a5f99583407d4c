package toxi

import (
	"math/rand/v2"
	"time"
)

// jitterWalk draws what a fault's latency is spread by, for one direction of one connection.
//
// Independent draws would do if bytes could overtake each other. They cannot, so of chunks that follow closely each waits
// for the slowest before it, and the mean creeps up towards the largest delay (50 +- 50 ms gave 88 ms). So a chunk that
// follows closely gets no draw of its own: its quantile moves from the last one, back and forth between 0 and 1, so slowly
// that the delay changes by at most half the gap between the two. It never lets a chunk catch up with the one before, and
// sweeping the quantiles at an even speed it has the distribution's mean, and its shape in as many steps as the coarse
// table has. A chunk whose predecessor has already been delivered cannot overtake, and gets a fresh draw; one that is half
// the distribution's width or more behind gets one too, at a cost to the mean of at most a few hundredths.
type jitterWalk struct {
	random  *rand.Rand
	at      float64 // the quantile
	falling bool
	last    time.Time // arrival of the chunk before
}

func newJitterWalk(seed, connection uint64, d direction) *jitterWalk {
	return &jitterWalk{random: rand.New(rand.NewPCG(seed, connection<<1|uint64(d)))}
}

// next returns the deviation of a chunk that arrived at now. free says that all before it was delivered by then.
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

// sweep moves by step, at most 1, and turns at the walls.
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
