package capacity

import (
	"context"
	"math"
	"slices"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

// GivesWay is the load at which a gate gives way: the lowest that violated it, and the highest below that held it. nil: none did.
type GivesWay struct {
	Gate  string   `json:"gate"`
	Holds *float64 `json:"holds"`
	Fails *float64 `json:"fails"`
}

// How near the loads come to each other, and how many trials a gate gets for that.
const (
	explainWidth = 0.2
	explainRuns  = 6
)

// givesWay reads every gate's loads from the trials. A trial that ended early says nothing good of a gate.
func (c *finder) givesWay() (all []GivesWay) {
	for _, g := range c.scenario.Expect {
		one := GivesWay{Gate: g.Expr}
		for _, t := range c.answer.Trials {
			if t.gate(g.Expr) == string(reports.Fail) && (one.Fails == nil || t.At < *one.Fails) {
				one.Fails = new(t.At)
			}
		}
		for _, t := range c.answer.Trials {
			held := t.gate(g.Expr) == string(reports.Pass) && !t.early()
			if held && (one.Fails == nil || t.At < *one.Fails) && (one.Holds == nil || t.At > *one.Holds) {
				one.Holds = new(t.At)
			}
		}
		all = append(all, one)
	}
	return all
}

// gate is the verdict of a trial on a gate; empty: none.
func (t *Trial) gate(expr string) string {
	if i := slices.IndexFunc(t.Gates, func(v Verdict) bool { return v.Expr == expr }); i >= 0 {
		return t.Gates[i].Verdict
	}
	return ""
}

// explain makes short trials above the answer until the load at which each gate gives way is known to a fifth.
func (c *finder) explain(ctx context.Context) (ending, error) {
	if !c.asked.Explain {
		return ending{}, nil
	}
	d := c.asked.Goal().Stages[0].Trial
	for i := range c.scenario.Expect {
		for range explainRuns {
			at, more := c.nextFor(c.givesWay()[i])
			if !more || c.late(d) {
				break
			}
			t, err := c.play(ctx, at, d)
			if end, err := interrupted(ctx, err); end.early() || err != nil {
				return end, err
			}
			t.Probe = true
			c.told(t)
			if t.result() == search.Undecided {
				break
			}
			// A target that does not come back ends the explanation, and not the answer, which stands.
			if end, err := c.comeBack(ctx); end.early() || err != nil {
				return ending{}, err
			}
		}
	}
	return ending{}, nil
}

// nextFor is the load of the next trial for a gate; false when it is known well enough.
func (c *finder) nextFor(g GivesWay) (at float64, more bool) {
	switch {
	case g.Holds == nil:
		return 0, false
	case g.Fails == nil && *g.Holds >= c.asked.Most:
		return 0, false
	case g.Fails == nil:
		at = min(2**g.Holds, c.asked.Most)
	case *g.Fails <= *g.Holds*(1+explainWidth):
		return 0, false
	default:
		at = math.Sqrt(*g.Holds * *g.Fails)
	}
	if c.axis.Users {
		at = math.Round(at)
	}
	return at, at > *g.Holds && (g.Fails == nil || at < *g.Fails)
}
