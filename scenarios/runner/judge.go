package runner

import (
	"fmt"
	"math"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// observation is what a gate's metric came to. Value is +Inf where it lies beyond every answer.
type observation struct {
	value float64
	// missing says why there is no value; empty when there is one.
	missing string
	// targets is the value without what the generator itself failed to send: what stands by the target's evidence.
	targets float64
}

func found(v float64) observation { return observation{value: v, targets: v} }
func missing(format string, a ...any) observation {
	return observation{missing: fmt.Sprintf(format, a...)}
}

// observe reads a metric that is made of operations from a cell. length is the time that the cell covers.
func observe(m scenarios.Metric, c *metrics.Cell, length time.Duration) observation {
	if m.Name == "rate" {
		if length <= 0 {
			return missing("no time was measured")
		}
		return found(float64(c.Counts.Acked) / length.Seconds())
	}
	if c.Offered == 0 {
		return missing("no operations")
	}
	if read := reading(m.Name); read != nil {
		return latency(m, c, read)
	}
	ours := c.DroppedByUs
	share := func(n, ours int64) observation {
		o := found(float64(n) / float64(c.Offered))
		if rest := c.Offered - ours; rest > 0 {
			o.targets = float64(n-ours) / float64(rest)
		} else {
			o.targets = 0
		}
		return o
	}
	switch m.Name {
	case "within":
		n := c.Acked.AtMost(m.Within)
		o := found(float64(n) / float64(c.Offered))
		if rest := c.Offered - ours; rest > 0 {
			o.targets = float64(n) / float64(rest)
		}
		return o
	case "errors":
		return share(c.Rejected+c.Indeterminate+c.Dropped, ours)
	case "rejected":
		return share(c.Rejected, 0)
	case "indeterminate":
		return share(c.Indeterminate, 0)
	case "dropped":
		return share(c.Dropped, ours)
	case "amplification":
		if c.Sent == 0 {
			return missing("no operation was sent")
		}
		return found(float64(c.Attempts) / float64(c.Sent))
	}
	if name, ok := strings.CutPrefix(m.Name, "messages_"); ok {
		if n, shown := c.Messages.Shown(name); shown {
			return found(float64(n))
		}
		return missing("no call that ended well could show it")
	}
	if n, ok := counts(m.Name, &c.Counts); ok {
		return found(float64(n))
	}
	return missing("%s is not measured", m.Name)
}

var quantiles = map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1}

// reading is how a metric of a time is read from a histogram of total values; nil where it is none.
func reading(name string) func(h *metrics.Hist, total int64) float64 {
	if name == "mean" {
		return mean
	}
	q, ok := quantiles[name]
	if !ok {
		return nil
	}
	return func(h *metrics.Hist, total int64) float64 { return rank(h, q, total) }
}

func counts(name string, c *reports.Counts) (int64, bool) {
	switch name {
	case "attempts":
		return c.Attempts, true
	case "retries":
		return c.Retries, true
	case "offered":
		return c.Offered, true
	case "sent":
		return c.Sent, true
	case "acked":
		return c.Acked, true
	}
	return 0, false
}

// latency reads a time from the histogram that the metric names, and once more without the generator's own drops.
func latency(m scenarios.Metric, c *metrics.Cell, read func(h *metrics.Hist, total int64) float64) observation {
	h, total, ours := &c.Response, c.Offered, c.DroppedByUs
	switch m.Of {
	case "service":
		h, total, ours = &c.Service, c.Tries, 0
	case "acked":
		h, total, ours = &c.Acked, c.Counts.Acked, 0
	case "first_message", "message_gap":
		if c.Messages == nil {
			return missing("no messages")
		}
		h, total, ours = &c.Messages.First, c.Messages.Waits, 0
		if m.Of == "message_gap" {
			h, total = &c.Messages.Gap, c.Messages.Gaps
		}
	}
	if total == 0 {
		return missing("no samples")
	}
	o := observation{value: read(h, total)}
	if total > ours {
		o.targets = read(h, total-ours)
	}
	return o
}

func rank(h *metrics.Hist, q float64, total int64) float64 {
	d, ok := h.Rank(q, total)
	if !ok {
		return math.Inf(1)
	}
	return float64(d)
}

// mean is infinite as soon as one operation was never answered.
func mean(h *metrics.Hist, total int64) float64 {
	if h.Count() < total {
		return math.Inf(1)
	}
	return h.Export().Mean()
}

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

// judgement is what a gate is judged on.
type judgement struct {
	observation
	// limited: the generator was the limit in some second of the gate's scope.
	limited bool
	// atLeast says why the value is a lower bound only; empty when it is exact.
	atLeast string
	// where is the window in words for the reason, and at the second that decided.
	where string
}

// judge decides one gate. What is missing is inconclusive, never passed. A time or a rate over seconds in which the
// generator was the limit is inconclusive whichever way it points, unless the target's own unanswered operations decide it.
func judge(g *scenarios.Gate, j judgement) reports.Gate {
	out := reports.Gate{
		Expr: g.Expr, Stream: g.Stream, Metric: g.Metric.Full(), Unit: g.Metric.Unit,
		Limit: number(g.Limit), Verdict: reports.Inconclusive,
	}
	if g.Scope.Window != "" {
		out.Window = &g.Scope.Window
	}
	if j.missing != "" {
		out.Why = j.missing + j.where
		return out
	}
	if !math.IsInf(j.value, 0) {
		out.Observed = number(j.value)
	}
	ok := holds(g.Comparison, j.value, g.Limit)
	switch {
	case j.atLeast != "" && (ok || !upperBound(g, j.value)):
		out.Why = "at least so many, the rest is not known: " + j.atLeast
		if scenarios.OfEffect(g.Metric) {
			out.Why = "at least so long, the rest is not known: " + j.atLeast
		}
	case g.Metric.Class == scenarios.Recovery && ok != holds(g.Comparison, j.targets, g.Limit):
		out.Why = "decided only by seconds in which the generator was the limit" + j.where
	case !ok && standsByItself(g, j):
		out.Verdict, out.Why = reports.Fail, "violated"+j.where
		switch {
		case g.Metric.Class == scenarios.Recovery && math.IsInf(j.value, 1):
			out.Why = "not recovered" + j.where
		case math.IsInf(j.value, 1):
			out.Why = "operations got no answer" + j.where
			if g.Metric.Of == "rebalance" {
				out.Why = "no record followed a rebalance" + j.where
			}
			if scenarios.OfEffect(g.Metric) {
				out.Why = "effects of acked operations were never seen" + j.where
			}
		}
	case g.Metric.Class == scenarios.TimeOrRate && j.limited:
		out.Why = "the generator was the limit" + j.where
	case !ok:
		out.Why = "violated only by operations that the generator itself did not send" + j.where
	default:
		out.Verdict, out.Why = reports.Pass, "held"+j.where
	}
	return out
}

// upperBound says that a count which is already too high can only get higher.
func upperBound(g *scenarios.Gate, value float64) bool {
	switch g.Comparison {
	case "<", "<=":
		return true
	case "==":
		return value > g.Limit
	}
	return false
}

// standsByItself says that a violation is the target's doing whatever the generator did.
func standsByItself(g *scenarios.Gate, j judgement) bool {
	violated := !holds(g.Comparison, j.targets, g.Limit)
	if g.Metric.Class != scenarios.TimeOrRate {
		return violated
	}
	return violated && (!j.limited || math.IsInf(j.targets, 1))
}

func number(v float64) *float64 { return &v }

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

// worst follows a gate that every second must meet: the second that is furthest on the wrong side of the limit decides.
type worst struct {
	gate    *scenarios.Gate
	seconds int
	found   bool
	judgement
}

// add looks at one more second.
func (w *worst) add(start, length time.Duration, c *metrics.Cell, limited bool) {
	o := observe(w.gate.Metric, c, length)
	if o.missing != "" {
		return
	}
	w.seconds++
	j := judgement{observation: o, limited: limited, where: fmt.Sprintf(" in the second from %s", reports.Duration(float64(start)))}
	if !w.found || w.worse(j) {
		w.found, w.judgement = true, j
	}
}

// worse ranks a violation that stands by itself above one that does not, then by the distance to the limit.
func (w *worst) worse(j judgement) bool {
	class := func(j judgement) int {
		switch {
		case holds(w.gate.Comparison, j.value, w.gate.Limit) && !j.limited:
			return 0
		case standsByItself(w.gate, j):
			return 2
		}
		return 1
	}
	if a, b := class(j), class(w.judgement); a != b {
		return a > b
	}
	return further(w.gate, j.value, w.value)
}

// further says whether a lies further on the wrong side of the gate's limit than b.
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

// judge decides the gate.
func (w *worst) judge() reports.Gate {
	if !w.found {
		return judge(w.gate, judgement{observation: missing("no second had operations")})
	}
	return judge(w.gate, w.judgement)
}

// infinite lies beyond every answer.
var infinite = math.Inf(1)
