package capacity

import (
	"fmt"

	"wringer/reports"
)

// judged judges the scenario's gates on the capacity itself.
func (c *finder) judged() (all []Verdict) {
	for _, g := range c.scenario.Capacity {
		v := Verdict{Expr: g.Expr, Verdict: string(reports.Inconclusive)}
		low, high := c.answer.Lower, c.answer.Upper
		switch above := func(at float64) bool { return at > g.Limit || g.Comparison == ">=" && at == g.Limit }; {
		case high != nil && high.Certain && high.Streams[g.Stream] <= g.Limit:
			v.Verdict, v.Why = string(reports.Fail), "it fails at "+c.axis.Text(high.Streams[g.Stream])
		case high != nil && high.Streams[g.Stream] <= g.Limit:
			v.Why = fmt.Sprintf("it failed at %s, and too few trials confirm it", c.axis.Text(high.Streams[g.Stream]))
			if high.Busy {
				v.Why = fmt.Sprintf("it failed at %s, on a busy machine alone", c.axis.Text(high.Streams[g.Stream]))
			}
		case low != nil && above(low.Streams[g.Stream]) && low.Certain:
			v.Verdict, v.Why = string(reports.Pass), c.axis.Text(low.Streams[g.Stream])+" sustained"
		case low != nil && above(low.Streams[g.Stream]):
			v.Why = c.axis.Text(low.Streams[g.Stream]) + " passed, and too few trials of full length confirm it"
			if c.answer.Blind {
				v.Why = c.axis.Text(low.Streams[g.Stream]) + " passed, and no trial could show a growing backlog"
			}
		case low != nil && high != nil:
			v.Why = fmt.Sprintf("it lies between %s and %s", c.axis.Text(low.Streams[g.Stream]), c.axis.Text(high.Streams[g.Stream]))
		case low != nil:
			v.Why = fmt.Sprintf("more than %s was not tried", c.axis.Text(low.Streams[g.Stream]))
		case high != nil:
			v.Why = fmt.Sprintf("less than %s was not tried", c.axis.Text(high.Streams[g.Stream]))
		default:
			v.Why = "nothing is known"
		}
		all = append(all, v)
	}
	return all
}
