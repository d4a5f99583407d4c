package toxi

import (
	"math/rand/v2"
	"time"
)

// wander draws the jitter of one direction of one connection: uniform over [-1, 1], in units of the jitter.
//
// Independent draws would do if bytes could overtake each other. They cannot, so of chunks that follow closely each waits
// for the slowest before it, and the mean creeps up to latency + jitter (50 +- 50 ms gave 88 ms). So a chunk that follows
// closely gets no draw of its own: its delay moves from the last one by half the gap between them, back and forth between
// the walls. Moving slower than time itself, it never lets a chunk catch up with the one before, and sweeping at an even
// speed it is uniform too. A chunk whose predecessor has already been delivered cannot overtake, and gets a fresh draw;
// one that is a jitter or more behind gets one too, at a cost to the mean of at most a few hundredths.
type wander struct {
	random  *rand.Rand
	at      float64
	falling bool
	last    time.Time // arrival of the chunk before
}

func newWander(seed, connection uint64, d direction) *wander {
	return &wander{random: rand.New(rand.NewPCG(seed, connection<<1|uint64(d)))}
}

// next returns the jitter of a chunk that arrived at now. free says that all before it was delivered by then.
func (w *wander) next(now time.Time, jitter time.Duration, free bool) time.Duration {
	gap := now.Sub(w.last)
	w.last = now
	if free || gap >= jitter {
		w.at = w.random.Float64()*2 - 1
		w.falling = w.random.Uint64()&1 == 0
	} else {
		w.sweep(float64(gap) / float64(jitter) / 2)
	}
	return time.Duration(w.at * float64(jitter))
}

// sweep moves by step, at most 1, and turns at the walls.
func (w *wander) sweep(step float64) {
	if w.falling {
		step = -step
	}
	w.at += step
	switch {
	case w.at > 1:
		w.at, w.falling = 2-w.at, true
	case w.at < -1:
		w.at, w.falling = -2-w.at, false
	}
}
