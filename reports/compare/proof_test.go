package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
)

// A simulated service: four workers, 100 operations a second for 20 s, service times drawn from a log-normal distribution around 10 ms, and
// 1 of 200 operations fails. From run to run the service times drift: each run has a factor of its own, drawn with a standard deviation of
// 5 %. Operations wait for a free worker, so that p99 holds queueing as well.
const (
	proofRate    = 100.0
	proofSeconds = 20
	proofWorkers = 4
	proofSide    = 6
	proofDrift   = 0.05
)

// simulated plays one run and sums it up as a record does.
func simulated(rng *rand.Rand, factor float64) *Run {
	factor *= math.Exp(proofDrift * rng.NormFloat64())
	free := make([]float64, proofWorkers)
	var times []float64
	failed := int64(0)
	for n := range int(proofRate * proofSeconds) {
		due := float64(n) / proofRate
		worker := slices.Index(free, slices.Min(free))
		free[worker] = max(due, free[worker]) + factor*0.010*math.Exp(0.5*rng.NormFloat64())
		times = append(times, free[worker]-due)
		if rng.Float64() < 0.005 {
			failed++
		}
	}
	slices.Sort(times)
	at := func(q float64) float64 { return 1e9 * times[int(math.Ceil(q*float64(len(times))))-1] }
	return oneRun(at(0.5), at(0.99), func(r *reports.Run) {
		m := &r.Streams["orders"].Total
		m.Offered, m.Sent, m.Rejected = int64(len(times)), int64(len(times)), failed
		m.Acked = m.Sent - failed
		m.Rate = new(float64(m.Acked) / proofSeconds)
	})
}

// compareSimulated makes one comparison of 6 runs a side.
func compareSimulated(rng *rand.Rand, factor float64) *Answer {
	var base, fresh []*Run
	for range proofSide {
		base, fresh = append(base, simulated(rng, 1)), append(fresh, simulated(rng, factor))
	}
	return Compare(base, fresh, Options{Catalogue: catalogue, Effect: 0.05})
}

// outcomes counts the answers that say worse or better, of any metric and of each.
func outcomes(seed uint64, comparisons int, factor float64) (worse, better int, by map[string]int) {
	by = make(map[string]int)
	for i := range comparisons {
		a := compareSimulated(rand.New(rand.NewPCG(seed, uint64(i))), factor)
		verdicts := make(map[string]bool)
		for _, c := range a.Changes {
			verdicts[c.Verdict] = true
			if c.Verdict == Worse || c.Verdict == Better {
				by[fmt.Sprintf("%s %s", c.Name(), c.Verdict)]++
			}
		}
		if verdicts[Worse] {
			worse++
		}
		if verdicts[Better] && !verdicts[Worse] {
			better++
		}
	}
	return worse, better, by
}

// comparisons is how many are made: 200, and fewer of the same draws with -short and -race.
func comparisons(t *testing.T) int {
	if tier.Raced() {
		return 40
	}
	return tier.Rounds(t, 200, 40)
}

// Of 200 comparisons of a service with itself at most 17 say worse or better: 17 or fewer come with a chance of 99 % when one in twenty does.
func TestProofOfTheSame(t *testing.T) {
	n := comparisons(t)
	worse, better, by := outcomes(1, n, 1)
	t.Logf("of %d comparisons of a service with itself %d say worse and %d better: %v", n, worse, better, by)
	if worse+better > 17*n/200 {
		t.Errorf("%d of %d say that something changed", worse+better, n)
	}
}

// A slowdown of 15 % is found in at least 9 of 10.
func TestProofOfASlowdown(t *testing.T) {
	n := comparisons(t)
	worse, better, by := outcomes(2, n, 1.15)
	t.Logf("of %d comparisons with a slowdown of 15 %% %d say worse and %d better: %v", n, worse, better, by)
	if worse < 9*n/10 || better > 0 {
		t.Errorf("%d of %d say worse, %d better", worse, n, better)
	}
}
