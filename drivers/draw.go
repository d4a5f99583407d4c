package drivers

import (
	"math/bits"
)

// Draw returns 64 bits that depend on its arguments alone: SplitMix64's finaliser (Steele, Lea, Flood 2014) over a sponge
// of the three. It replaces a random number generator where a draw must not depend on earlier draws.
func Draw(seed, seq, place uint64) uint64 { return drawMixed(mixSeed(seed), seq, place) }

// mixSeed is the part of Draw that depends on the seed alone.
func mixSeed(seed uint64) uint64 { return mix(seed + 0x9e3779b97f4a7c15) }

// drawMixed is the rest of Draw.
func drawMixed(mixed, seq, place uint64) uint64 {
	x := mix(mixed ^ (seq+1)*0xbf58476d1ce4e5b9)
	return mix(x ^ (place+1)*0x94d049bb133111eb)
}

// draw is Draw for one place of one message. Message 0 draws the same as an operation without messages.
func draw(env *Env, op *Op, place uint64) uint64 {
	seed := env.Seed
	if op.Message > 0 {
		seed = Draw(seed, op.Message, messagePlace)
	}
	return Draw(seed, op.Seq, place)
}

// messagePlace keeps the seeds of messages apart from the draws of template places.
const messagePlace = 1 << 63

func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// DrawBelow maps a draw onto 0..n-1; n of 0 gives 0. It is Lemire's multiply-shift. Its bias, n/2^64, is negligible.
func DrawBelow(draw, n uint64) uint64 {
	hi, _ := bits.Mul64(draw, n)
	return hi
}

// DrawUnit maps a draw onto [0, 1).
func DrawUnit(draw uint64) float64 { return float64(draw>>11) / (1 << 53) }
