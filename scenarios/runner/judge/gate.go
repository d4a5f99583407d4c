package judge

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// holds compares as the gate says.
func holds(comparison string, value, limit float64) bool {
	switch comparison {
	case "<":
		return value < limit
	case "<=":
		return value <= limit
	case ">":
		return value > limit
	case ">=":
		return value >= limit
	case "==":
		return value == limit
	case "!=":
		return value != limit
	}
	return false
}

// reading is the value on which a gate is judged.
type reading struct {
	metric.Reading
	// limited: the load generator was saturated in some second of the gate's scope.
	limited bool
	// where is the window in words for the reason, and the second that decided.
	where string
}

func missing(format string, a ...any) reading { return reading{Reading: metric.Missing(format, a...)} }

// decide decides one gate. A missing value is inconclusive, never passed. A time or a rate over seconds in which the load
// generator was saturated is inconclusive in both directions. Only the target's own unanswered operations can decide it.
func decide(g *scenarios.Gate, r reading) reports.Gate {
	out := reports.Gate{
		Expr: g.Expr, Stream: g.Stream, Metric: g.MetricName(), Unit: g.Metric.Unit,
		Limit: new(g.Limit), Saved: g.Saved.Record(), Verdict: reports.Inconclusive,
	}
	unmet := g.Saved != nil && g.Saved.Unmet != ""
	if unmet {
		out.Limit, out.Why = nil, g.Saved.Unmet
	}
	if g.Scope.Window != "" {
		out.Window = &g.Scope.Window
	}
	if r.Missing != "" {
		out.Why = r.Missing + r.where
		if unmet {
			out.Why += "; " + g.Saved.Unmet
		}
		return out
	}
	if math.IsInf(r.Value, 0) {
		out.Beyond = g.Metric.Never
	} else {
		out.Observed = &r.Value
	}
	if unmet {
		out.Saved.Unmet = sound(g, r)
		return out
	}
	ok := holds(g.Comparison, r.Value, g.Limit)
	switch {
	case r.AtLeast != "" && (ok || !upperBound(g, r.Value)):
		out.Why = "at least so " + amount(g.Metric) + ", the rest is not known: " + r.AtLeast
	case r.AtMost != "" && (ok || !lowerBound(g, r.Value)):
		out.Why = "at most so much, the rest is not known: " + r.AtMost
	case g.Metric.Class == metric.Recovery && !surely(g, r.Reading, ok):
		out.Why = "decided only by seconds in which nothing was due, or in which the load generator was saturated" + r.where
	case !ok && standsByItself(g, r):
		out.Verdict, out.Why = reports.Fail, "violated"+r.where
		if math.IsInf(r.Value, 1) && g.Metric.Beyond != "" {
			out.Why = g.Metric.Beyond + r.where
		}
	case g.Metric.Class == metric.TimeOrRate && r.limited:
		out.Why = "the load generator was saturated" + r.where
	case g.Subject.Kind == scenarios.ObserveSubject && !surely(g, r.Reading, ok):
		out.Why = "it rose between two readings, and only a part of the time between them lies" + cmp.Or(r.where, " in the run")
	case g.Metric.Cumulative && !surely(g, r.Reading, ok):
		out.Why = "it is read once a second, and rose in a second that lies only in part" + r.where
	case !surely(g, r.Reading, ok):
		out.Why = "decided only by operations that the load generator itself did not send, or sent late" + r.where
	default:
		out.Verdict, out.Why = reports.Pass, "held"+r.where
	}
	return out
}

// sound says that the value is the target's own and fully known, whatever its limit. Both ends of a time differ by the load generator's
// lag in every run; where one is beyond every answer, operations were not sent.
func sound(g *scenarios.Gate, r reading) bool {
	same := r.Value == r.Targets || g.Metric.Unit == metric.NS && math.IsInf(r.Value, 0) == math.IsInf(r.Targets, 0)
	return r.AtLeast == "" && r.AtMost == "" && same && !(g.Metric.Class == metric.TimeOrRate && r.limited)
}

// surely says that a gate holds, or is violated, whatever the value was between both ends of a reading.
func surely(g *scenarios.Gate, r metric.Reading, held bool) bool {
	if holds(g.Comparison, r.Value, g.Limit) != held || holds(g.Comparison, r.Targets, g.Limit) != held {
		return false
	}
	// Between two values that differ from the limit there may be one that does not.
	apart := (r.Value < g.Limit) == (r.Targets < g.Limit)
	return apart || g.Comparison != "==" && g.Comparison != "!="
}

// amount is the word for a value of the metric.
func amount(m *metric.Metric) string {
	switch {
	case m.Unit == metric.NS:
		return "long"
	case m.Class == metric.Gauge:
		return "much"
	}
	return "many"
}

// upperBound reports whether a count that is already too high can only get higher.
func upperBound(g *scenarios.Gate, value float64) bool {
	switch g.Comparison {
	case "<", "<=":
		return true
	case "==":
		return value > g.Limit
	}
	return false
}

// lowerBound reports whether a value that is already too low can only be lower.
func lowerBound(g *scenarios.Gate, value float64) bool {
	switch g.Comparison {
	case ">", ">=":
		return true
	case "==":
		return value < g.Limit
	}
	return false
}

// standsByItself reports whether a violation is the target's doing, whatever the load generator did.
func standsByItself(g *scenarios.Gate, r reading) bool {
	violated := surely(g, r.Reading, false)
	if g.Metric.Class != metric.TimeOrRate {
		return violated
	}
	return violated && (!r.limited || math.IsInf(r.Targets, 1))
}

// worst follows a gate that every second must meet. It keeps the second that is furthest on the wrong side of the limit.
type worst struct {
	gate  *scenarios.Gate
	found bool
	reading
	// cut are the seconds with overtaken operations; undisturbed is the worst of the others.
	cut         []cutSecond
	undisturbed *worst
	// calm is the same without busy seconds; nil: they are not told apart.
	calm *worst
	// uninterrupted is the worst second without the operations that the interrupt ended, overtaken ones included; nil: the
	// interrupt ended none.
	uninterrupted *worst
}

// cutSecond is a second that a fault cut into: as it was, and without the overtaken operations.
type cutSecond struct {
	overtaken    []*reports.Ended
	all, without reading
}

// newWorst follows the gates of a stream that every second must meet.
func newWorst(gates []scenarios.Gate, stream string) []*worst {
	var ws []*worst
	for i := range gates {
		if gates[i].Stream == stream && gates[i].Scope.EverySecond {
			ws = append(ws, &worst{gate: &gates[i]})
		}
	}
	return ws
}

// add checks one more second.
func (w *worst) add(start, length time.Duration, c *metrics.Cell, limited bool) {
	read := func(c *metrics.Cell) reading {
		where := fmt.Sprintf(" in the second from %s", reports.Duration(float64(start)))
		return reading{Reading: readCell(w.gate, c, length), limited: limited, where: where}
	}
	r := read(c)
	if len(c.Interrupted) > 0 && w.uninterrupted == nil {
		w.uninterrupted = &worst{gate: w.gate, found: w.found, reading: w.reading}
	}
	if w.uninterrupted != nil {
		w.uninterrupted.take(read(c.Without(c.Interrupted)))
	}
	w.take(r)
	if len(c.Overtaken) > 0 {
		w.cut = append(w.cut, cutSecond{c.Overtaken, r, read(c.Without(c.Overtaken))})
		return
	}
	if w.undisturbed == nil {
		w.undisturbed = &worst{gate: w.gate}
	}
	w.undisturbed.take(r)
}

// take keeps a second's reading when it is the worst.
func (w *worst) take(r reading) {
	if r.Missing == "" && (!w.found || w.worse(r)) {
		w.found, w.reading = true, r
	}
}

// decideWithout decides the gate without the operations that were overtaken before they had waited long, and returns them. A
// second in which others had waited long stands as it was.
func (w *worst) decideWithout(o *overtaken) (gate reports.Gate, gone []*reports.Ended) {
	again := worst{gate: w.gate}
	if w.undisturbed != nil {
		again = *w.undisturbed
	}
	for _, second := range w.cut {
		long := func(e *reports.Ended) bool { return !o.short(e) }
		if slices.ContainsFunc(second.overtaken, long) {
			again.take(second.all)
			continue
		}
		again.take(second.without)
		gone = append(gone, second.overtaken...)
	}
	return again.decide(), gone
}

// worse ranks a violation that stands by itself above a second that is not decided, and this above one that holds for sure; then by
// the distance to the limit.
func (w *worst) worse(r reading) bool {
	class := func(r reading) int {
		switch {
		case surely(w.gate, r.Reading, true) && !r.limited:
			return 0
		case standsByItself(w.gate, r):
			return 2
		}
		return 1
	}
	if a, b := class(r), class(w.reading); a != b {
		return a > b
	}
	return further(w.gate, r.Value, w.Value)
}

// decide decides the gate.
func (w *worst) decide() reports.Gate {
	if !w.found {
		return decide(w.gate, missing("no second had operations"))
	}
	return decide(w.gate, w.reading)
}

// further reports whether a lies further on the wrong side of the gate's limit than b.
func further(g *scenarios.Gate, a, b float64) bool {
	switch g.Comparison {
	case "<", "<=":
		return a > b
	case ">", ">=":
		return a < b
	case "!=":
		return math.Abs(a-g.Limit) < math.Abs(b-g.Limit)
	}
	return math.Abs(a-g.Limit) > math.Abs(b-g.Limit)
}
