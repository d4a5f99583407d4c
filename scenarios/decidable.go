package scenarios

import (
	"fmt"
	"math"
	"strings"

	"wringer/reports"
	"wringer/reports/metric"
)

// always says that no value of the metric violates the comparison; never, that none meets it.
func (g *Gate) always() bool { return g.spared(g.Comparison) }

func (g *Gate) never() bool { return g.spared(opposite[g.Comparison]) }

// opposite is the comparison that holds where the other does not.
var opposite = map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}

// spared says that every value between the metric's bounds meets the comparison with the limit.
func (g *Gate) spared(comparison string) bool {
	lowest, highest := g.Metric.Bounds()
	switch comparison {
	case "<":
		return highest < g.Limit
	case "<=":
		return highest <= g.Limit
	case ">":
		return lowest > g.Limit
	case ">=":
		return lowest >= g.Limit
	case "!=":
		return g.Limit < lowest || g.Limit > highest
	}
	return false
}

// decidable refuses a gate that can never fail, and one that can never hold.
func (g *Gate) decidable() error {
	switch {
	case g.Saved != nil: // the limit is known once a saved run is read
		return nil
	case g.always():
		return fmt.Errorf("it can never fail: %s; %s", g.bounds(), g.remedy())
	case g.never():
		return fmt.Errorf("it can never hold: %s; %s", g.bounds(), g.remedy())
	}
	return nil
}

// bounds tells between which values the metric lies.
func (g *Gate) bounds() string {
	lowest, highest := g.Metric.Bounds()
	switch {
	case math.IsInf(highest, 1):
		return fmt.Sprintf("%s is never below %s", g.MetricName(), g.amount(lowest))
	case math.IsInf(lowest, -1):
		return fmt.Sprintf("%s is never above %s", g.MetricName(), g.amount(highest))
	}
	return fmt.Sprintf("%s lies between %s and %s", g.MetricName(), g.amount(lowest), g.amount(highest))
}

// remedy is a gate on the same metric that can decide something.
func (g *Gate) remedy() string {
	if g.Metric.Unit == metric.Count {
		return fmt.Sprintf("write %s == 0, or > 0", g.MetricName())
	}
	example := map[string]string{metric.Ratio: "1%", metric.NS: "250ms", metric.PerSecond: "100/s"}[g.Metric.Unit]
	if g.Metric.Better == metric.Higher && g.Metric.Unit == metric.Ratio {
		example = "99%"
	}
	if example == "" {
		example = "1.2"
	}
	comparison := "<"
	if g.Metric.Better == metric.Higher {
		comparison = ">"
	}
	name := g.MetricName()
	if g.Metric.Argument {
		name += "(" + g.Argument.String() + ")"
	}
	return fmt.Sprintf("write a limit within these bounds, as in %s %s %s", name, comparison, example)
}

// amount writes a value in the metric's unit.
func (g *Gate) amount(v float64) string { return reports.Value(v, g.Metric.Unit) }

// joined removes the space around and between a number and its unit, as reports print it: 250 ms.
func joined(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	value, rest := cutValue(words)
	return strings.Join(append([]string{value}, rest...), " ")
}
