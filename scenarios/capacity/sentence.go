package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"wringer/reports"
)

// sentence is the answer in words.
func (c *finder) sentence(end ending) string {
	a := c.answer
	parts := []string{c.bracket(end)}
	if a.Answer == Inconclusive {
		parts = []string{"inconclusive: " + end.why}
		if a.Lower != nil || a.Upper != nil {
			parts = append(parts, c.bracket(end))
		}
	} else if end.why != "" {
		parts = append(parts, "not narrowed further: "+end.why)
	}
	if a.Limit != nil {
		parts = append(parts, "limit reached: "+a.Limit.Text)
	}
	if a.Upper != nil && a.Upper.Busy {
		parts = append(parts, "not certain: operations failed at "+c.axis.Text(a.Upper.At)+" only while other programs held the machine, or the load generator was late")
	}
	if text := a.Confirmed.text(); text != "" && a.Lower.Certain {
		parts = append(parts, text+" confirmed")
	}
	if a.Blind {
		parts = append(parts, fmt.Sprintf("no trial at %s could show a growing backlog: that takes %d s with operations, outside of faults", c.axis.Text(a.Lower.At), fewest))
	}
	if text := c.generator(); text != "" {
		parts = append(parts, text)
	}
	for _, g := range a.Gates {
		parts = append(parts, fmt.Sprintf("%s: %s (%s)", g.Expr, g.Verdict, g.Why))
	}
	if a.Baseline != nil {
		parts = append(parts, a.Baseline.text(c.axis.Text))
	}
	return strings.Join(parts, "; ")
}

// bracket is what is known of the capacity, with the streams that it is of.
func (c *finder) bracket(end ending) string {
	a, axis := c.answer, c.axis
	who := strings.Join(axis.Streams, " + ") + ": "
	switch {
	case a.Lower != nil && a.Upper != nil:
		return fmt.Sprintf("%s%s %s%s, %s %s", who, axis.Text(a.Lower.At), a.Lower.word("sustained", "passed"), c.parts(a.Lower), a.Upper.word("fails at", "failed at"), axis.Text(a.Upper.At))
	case a.Lower != nil && end.why == "":
		return fmt.Sprintf("%s%s %s%s, the most asked for", who, a.Lower.word("at least", "passed at"), axis.Text(a.Lower.At), c.parts(a.Lower))
	case a.Lower != nil:
		return fmt.Sprintf("%s%s %s%s", who, a.Lower.word("at least", "passed at"), axis.Text(a.Lower.At), c.parts(a.Lower))
	case a.Upper != nil:
		return who + a.Upper.word("below ", "failed at ") + axis.Text(a.Upper.At)
	}
	return who + "nothing is known"
}

// word tells a certain bound from one that too few trials say.
func (b *Bound) word(certain, otherwise string) string {
	if b.Certain {
		return certain
	}
	return otherwise
}

// parts are the loads of the streams, where several are scaled.
func (c *finder) parts(b *Bound) string {
	if len(c.axis.Streams) < 2 {
		return ""
	}
	var all []string
	for _, name := range c.axis.Streams {
		all = append(all, name+" "+c.axis.Text(b.Streams[name]))
	}
	return " (" + strings.Join(all, ", ") + ")"
}

// text lists the trials by their lengths: 2 x 30 s + 2 x 60 s.
func (c Confirmed) text() string {
	var lengths []float64
	count := make(map[float64]int)
	for _, l := range c.lengths {
		l = math.Round(l)
		if count[l]++; count[l] == 1 {
			lengths = append(lengths, l)
		}
	}
	slices.Sort(lengths)
	var all []string
	for _, l := range lengths {
		all = append(all, fmt.Sprintf("%d x %s s", count[l], reports.Factor(l)))
	}
	return strings.Join(all, " + ")
}

// generator says how far the load generator was from its own limit at the lower bound.
func (c *finder) generator() string {
	a := c.answer
	switch g := a.Generator; {
	case a.Lower == nil:
		return ""
	case g.Ceiling != nil && *g.Ceiling > 0:
		for i := len(a.Trials) - 1; i >= 0; i-- {
			if t := a.Trials[i]; t.At == a.Lower.At {
				return "generator at " + reports.Share(t.Rate / *g.Ceiling)
			}
		}
	case g.CPU != nil && g.Why != "":
		return fmt.Sprintf("generator at %s of the CPU (its ceiling was not measured: %s)", reports.Share(*g.CPU), g.Why)
	case g.CPU != nil:
		return "generator at " + reports.Share(*g.CPU) + " of the CPU"
	case g.Why != "":
		return "the generator's ceiling was not measured: " + g.Why
	}
	return ""
}

// rate writes a rate with all its digits: 1,840/s.
func rate(at float64) string {
	if at >= 1000 {
		return reports.Count(int64(math.Round(at))) + "/s"
	}
	return reports.Rate(at)
}
