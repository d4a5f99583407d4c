package compare

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
	"golang.org/x/perf/benchmath"
)

// The chance of a false alarm over all judged metrics, and the confidence of each interval.
const (
	alpha      = 0.05
	confidence = 0.95
)

// leastP is the smallest p that the two-sided rank test can give with so many runs and no ties: 2 over n1+n2 choose n1.
func leastP(n1, n2 int) float64 {
	if n1 == 0 || n2 == 0 {
		return 1
	}
	ways := 1.0
	for i := 1; i <= n1; i++ {
		ways *= float64(n2+i) / float64(i)
	}
	return min(1, 2/ways)
}

// rankTest is p of the two-sided Mann-Whitney test. Ties and values beyond every measured one (+Inf) are fine. False: there are too few
// runs for any result to be significant.
func rankTest(base, fresh []float64) (p float64, enough bool) {
	if leastP(len(base), len(fresh)) >= alpha {
		return 1, false
	}
	if constant(base, fresh) {
		return 1, true
	}
	x := benchmath.NewSample(slices.Clone(base), &benchmath.DefaultThresholds)
	y := benchmath.NewSample(slices.Clone(fresh), &benchmath.DefaultThresholds)
	return min(1, benchmath.AssumeNothing.Compare(x, y).P), true
}

// constant says that all runs of both sides have one value. No rank test can tell anything then.
func constant(base, fresh []float64) bool {
	all := slices.Concat(base, fresh)
	return len(all) > 0 && slices.Min(all) == slices.Max(all)
}

// shift is the Hodges-Lehmann estimate of how far fresh lies from base, with its distribution-free confidence interval: the median of all
// differences of a pair, and two of their order statistics (Hodges and Lehmann, 1963, The Annals of Mathematical Statistics 34; Hollander,
// Wolfe and Chicken, Nonparametric Statistical Methods, 3rd edition, section 4.3). Without an interval both ends are infinite: so few runs
// give none at this confidence. A difference of two values beyond every measured one is 0.
func shift(base, fresh []float64) (estimate, low, high float64) {
	differences := make([]float64, 0, len(base)*len(fresh))
	for _, x := range base {
		for _, y := range fresh {
			differences = append(differences, less(y, x))
		}
	}
	slices.Sort(differences)
	estimate = median(differences)
	k := critical(len(base), len(fresh))
	if k == 0 {
		return estimate, math.Inf(-1), math.Inf(1)
	}
	return estimate, differences[k-1], differences[len(differences)-k]
}

// less is a - b, and 0 for two values beyond every measured one.
func less(a, b float64) float64 {
	if a == b {
		return 0
	}
	return a - b
}

// exactMost is the number of runs of a side up to which the distribution of the rank statistic is computed exactly.
const exactMost = 25

// critical is the rank, from 1, of the difference at each end of the interval: the largest for which the rank statistic lies below it with
// a chance of at most (1 - confidence) / 2. 0: there is none.
func critical(n1, n2 int) int {
	tail := (1 - confidence) / 2
	if n1 == 0 || n2 == 0 {
		return 0
	}
	if n1 > exactMost || n2 > exactMost {
		m := float64(n1 * n2)
		deviation := math.Sqrt(m * float64(n1+n2+1) / 12)
		return max(0, int(math.Floor(m/2-stats.StdNormal.InvCDF(1-tail)*deviation)))
	}
	dist := stats.UDist{N1: n1, N2: n2}
	k := 0
	for k < n1*n2/2 && dist.CDF(float64(k)) <= tail {
		k++
	}
	return k
}

// median of ascending values; 0 between -Inf and +Inf.
func median(sorted []float64) float64 {
	n := len(sorted)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return sorted[n/2]
	}
	a, b := sorted[n/2-1], sorted[n/2]
	if a == b {
		return a
	}
	if math.IsInf(a, -1) && math.IsInf(b, 1) {
		return 0
	}
	return a/2 + b/2
}

// ranking is the order in which a metric puts all runs, ties included, written so that the reverse order reads the same. Two metrics with
// one ranking have one p, whichever runs stand on which side: they are one test.
func ranking(values []float64) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	up, down := make([]byte, 0, 2*len(values)), make([]byte, 0, 2*len(values))
	for _, v := range values {
		rank, _ := slices.BinarySearch(sorted, v)
		up = binary.BigEndian.AppendUint16(up, uint16(rank))
		down = binary.BigEndian.AppendUint16(down, uint16(len(sorted)-1-rank))
	}
	return min(string(up), string(down))
}

// holm corrects each p for the number of tests (Holm, 1979, A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal
// of Statistics 6): the chance of any false alarm stays below alpha.
func holm(ps []float64) []float64 {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ps[a], ps[b]) })
	adjusted, most := make([]float64, len(ps)), 0.0
	for rank, i := range order {
		most = max(most, min(1, float64(len(ps)-rank)*ps[i]))
		adjusted[i] = most
	}
	return adjusted
}

// mostNeeded is the largest number of runs that is told.
const mostNeeded = 1000

// fewest is the smallest number of runs a side at which the rank test can be significant among so many tests.
func fewest(tests int) int {
	n := 1
	for leastP(n, n)*float64(max(tests, 1)) >= alpha {
		n++
	}
	return n
}

// needed is about how many runs a side would tell, if the spread and the change stay as they are. The width of the interval falls with
// the root of the number of runs, because the estimate is asymptotically normal. It must become narrower than the distance from the
// change to the nearest end of what it could be taken for: 0 for a change of at least effect, effect for a smaller one. More than
// mostNeeded: no sensible number would do.
func needed(n1, n2, tests int, estimate, low, high, effect float64) int {
	least := fewest(tests)
	half := (high - low) / 2
	if math.IsInf(half, 0) || math.IsNaN(half) || half <= 0 {
		return max(least, min(n1, n2)+1)
	}
	distance := math.Abs(estimate)
	if distance < effect {
		distance = effect - distance
	}
	now := 2 / (1/float64(n1) + 1/float64(n2))
	n := math.Ceil(now * math.Pow(half/distance, 2))
	if math.IsNaN(n) || n > mostNeeded {
		return mostNeeded + 1
	}
	return max(least, int(n), min(n1, n2)+1)
}
