package compare

import (
	"fmt"
	"math"
	"strings"

	"wringer/reports"
	"wringer/reports/metric"
)

// decide gives the verdict on a metric among so many tests.
func (c *comparison) decide(j *judgement, tests int) Change {
	v := Change{Value: j.value(c), Verdict: CannotTell}
	v.Samples = &Samples{pointers(j.base), pointers(j.new)}
	var better metric.Direction
	_, better = c.describe(j.key)
	v.Better = better
	ratio, low, high := j.relative()
	v.Shift, v.Low, v.High = finite(ratio), finite(low), finite(high)
	if j.enough {
		v.P = finite(j.p)
	}
	if j.tested() && tests > 0 {
		v.Adjusted = finite(j.adjusted)
	}
	effect := c.options.Effect
	moved := math.Abs(ratio) >= effect && ratio != 0
	switch {
	case len(j.base) == 0 || len(j.new) == 0:
		v.Why = j.missing
		return v
	case j.rose():
		v.Verdict, v.Why = Worse, "it was 0 before: a count that rises from 0 is told by itself"
	case j.tested() && tests > 0 && j.adjusted < alpha && moved && better == metric.Neither:
		v.Why = "it moved, and neither direction is better"
		return v
	case j.tested() && tests > 0 && j.adjusted < alpha && moved:
		v.Verdict = Better
		if (ratio > 0) == (better == metric.Lower) {
			v.Verdict = Worse
		}
	case j.appeared():
		c.appeared = append(c.appeared, v.Name()+" "+v.Scope())
		c.untold(j, &v, tests)
	case j.enough && low > -effect && high < effect:
		v.Verdict = Same
	default:
		c.untold(j, &v, tests)
	}
	if j.absent > 0 {
		v.Why = strings.TrimPrefix(v.Why+"; "+j.missing, "; ")
	}
	return v
}

// relative is the estimate with its interval in parts of the base. Where the base is 0 or lies beyond every measured value there is no
// ratio: any move is infinite.
func (j *judgement) relative() (ratio, low, high float64) {
	base := math.Abs(median(j.base))
	if base == 0 || math.IsInf(base, 0) || math.IsNaN(base) {
		return whole(j.estimate), whole(j.low), whole(j.high)
	}
	return j.estimate / base, j.low / base, j.high / base
}

func whole(v float64) float64 {
	switch {
	case v > 0:
		return math.Inf(1)
	case v < 0:
		return math.Inf(-1)
	}
	return v
}

// untold says why a metric cannot be told, and how many runs would.
func (c *comparison) untold(j *judgement, v *Change, tests int) {
	n1, n2 := len(j.base), len(j.new)
	ratio, low, high := j.relative()
	n := needed(n1, n2, tests, ratio, low, high, c.options.Effect)
	switch {
	case !j.enough && n1 == 1 && n2 == 1:
		v.Why = "one run a side: only a count that rises from 0 is told"
		n = fewest(len(wholeRun))
	case !j.enough:
		v.Why = fmt.Sprintf("too few runs: %d and %d", n1, n2)
	case j.appeared():
		v.Why = fmt.Sprintf("0 in all %d runs before, above 0 in some of the %d new ones", n1, n2)
	case j.adjusted < alpha && j.tested():
		v.Why = "it moved, by less than what counts for certain"
	case math.Abs(ratio) >= c.options.Effect:
		v.Why = "the runs differ among each other as much"
	default:
		v.Why = "the interval reaches beyond what counts"
	}
	if n > mostNeeded {
		v.Why += fmt.Sprintf("; more than %s runs a side would be needed", reports.Count(mostNeeded))
		return
	}
	v.RunsNeeded = &n
	v.Why += fmt.Sprintf("; about %d runs a side would tell", n)
}

func pointers(values []float64) []*float64 {
	all := make([]*float64, len(values))
	for i, v := range values {
		all[i] = finite(v)
	}
	return all
}
