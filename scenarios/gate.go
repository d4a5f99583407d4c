package scenarios

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
)

// Gate is one line of `expect`: STREAM.METRIC COMPARISON VALUE [SCOPE].
type Gate struct {
	Expr   string // as written
	Stream string
	Metric Metric
	// Comparison is one of < <= > >= == !=.
	Comparison string
	// Limit in Metric.Unit.
	Limit float64
	Scope Scope
	Line  int // in the scenario file, from 1; 0 when it came from elsewhere
}

// Metric names a measurement.
type Metric struct {
	// Name without prefix or argument: p99, within, errors, lost, ...
	Name string
	// Of is "" (response time) or one of latencyPrefixes, for latency metrics.
	Of string
	// Within is the argument of within(250ms).
	Within time.Duration
	// Unit: ns, ratio, count, per_second, or empty (amplification, gauges).
	Unit string
	// Class tells how the verdict treats it.
	Class Class
}

// Full is the name with its prefix.
func (m Metric) Full() string { return strings.TrimPrefix(m.Of+"."+m.Name, ".") }

// Class of a metric.
type Class uint8

const (
	// TimeOrRate metrics mean nothing in seconds in which the generator was the limit.
	TimeOrRate Class = iota
	// Outcome metrics (errors, rejected, ...) stand by the target's own evidence.
	Outcome
	// Integrity metrics stand by their own evidence.
	Integrity
	// Recovery metrics are read from the faults.
	Recovery
	// Gauge metrics are a driver's own.
	Gauge
)

// Scope says over what a gate is judged.
type Scope struct {
	// Window is the window's name; empty: all that was measured.
	Window string
	// EverySecond: the worst second decides.
	EverySecond bool
}

// The units of metrics.
const (
	UnitNS        = "ns"
	UnitRatio     = "ratio"
	UnitCount     = "count"
	UnitPerSecond = "per_second"
)

// latencies are the metrics of response time; those of service time and of acked operations have a prefix.
var latencies = []string{"p50", "p90", "p95", "p99", "p999", "max", "mean"}

// metrics is the vocabulary beside latencies and a driver's own gauges. Counts of traffic belong to TimeOrRate: a
// generator that falls behind sends less.
var metrics = func() map[string]Metric {
	m := map[string]Metric{
		"within":        {Unit: UnitRatio, Class: TimeOrRate},
		"rate":          {Unit: UnitPerSecond, Class: TimeOrRate},
		"amplification": {Class: Outcome},
	}
	for unit, group := range map[string]map[Class][]string{
		UnitNS:    {TimeOrRate: latencies, Recovery: {"detection", "recovery"}},
		UnitRatio: {Outcome: {"errors", "rejected", "indeterminate", "dropped"}},
		UnitCount: {
			TimeOrRate: {"offered", "sent", "acked", "attempts", "retries", "messages_sent", "messages_received"},
			Outcome:    {"messages_lost", "messages_undecided", "messages_unexpected", "messages_duplicated", "messages_reordered"},
			Integrity: {"seen", "lost", "unseen", "recovered", "phantom", "unexpected", "foreign", "log_duplicates", "redelivered",
				"effect_duplicates", "extra_copies", "max_copies", "order_violations", "regressions", "gaps", "ack_collisions",
				"arrivals", "not_arrived", "arrived_cut", "answered", "arrived_operations", "arrived_twice", "max_arrivals", "hidden_arrivals",
				"records", "processed", "unprocessed", "group_lost", "redelivered_records", "rebalances", "joins", "leaves", "freezes", "deaths",
				"replays", "replay_violations", "replay_deviations", "replays_undecided", "replays_skipped"},
		},
	} {
		for class, names := range group {
			for _, name := range names {
				m[name] = Metric{Unit: unit, Class: class}
			}
		}
	}
	for name, metric := range m {
		metric.Name = name
		m[name] = metric
	}
	return m
}()

// latencyPrefixes name the times that are not the response time.
var latencyPrefixes = []string{"service", "acked", "first_message", "message_gap", "rebalance", "effect"}

// OfEffect says whether a metric is a time from the planned start to the effect.
func OfEffect(m Metric) bool { return m.Of == "effect" }

// bySecond says whether a metric is kept by the second.
func bySecond(m Metric) bool {
	return (m.Class == TimeOrRate || m.Class == Outcome) && !OfGroup(m) && !OfEffect(m)
}

// witnessed says that a metric is read from a witness, replayed that it is read from replays.
func witnessed(metric string) bool { return slices.Contains(reports.WitnessNames(), metric) }
func replayed(metric string) bool  { return slices.Contains(reports.ReplayNames(), metric) }

// comparisons are those that a gate may use.
var comparisons = []string{"<", "<=", ">", ">=", "==", "!="}

// ParseGate reads STREAM.METRIC COMPARISON VALUE [SCOPE]. A word that is no metric is taken for a driver's gauge: only
// the scenario knows its drivers. Errors name the part that is wrong and what is allowed there.
func ParseGate(expr string) (Gate, error) {
	return parseGate(expr, func(string) ([]string, bool) { return nil, false })
}

// parseGate is ParseGate where gauges lists those of a stream, if they are known.
func parseGate(expr string, gauges func(stream string) (names []string, known bool)) (Gate, error) {
	g := Gate{Expr: strings.TrimSpace(expr)}
	if err := g.parse(gauges); err != nil {
		return Gate{}, fmt.Errorf("gate %s: %w", quote(g.Expr), err)
	}
	return g, nil
}

const gateForm = "write STREAM.METRIC COMPARISON VALUE [SCOPE], as in orders.p99 < 250ms during baseline"

func (g *Gate) parse(gauges func(stream string) ([]string, bool)) error {
	from := strings.IndexAny(g.Expr, "<>=!")
	if from < 0 {
		return errors.New("there is no comparison; " + gateForm)
	}
	after := strings.TrimLeft(g.Expr[from:], "<>=!")
	g.Comparison = g.Expr[from : len(g.Expr)-len(after)]
	if !slices.Contains(comparisons, g.Comparison) {
		return fmt.Errorf("%s is no comparison; allowed: %s", clip(g.Comparison), strings.Join(comparisons, " "))
	}
	stream, metric, ok := strings.Cut(strings.TrimSpace(g.Expr[:from]), ".")
	if !ok || !streamName.MatchString(stream) {
		return fmt.Errorf("%s names no metric of a stream; %s", quote(g.Expr[:from]), gateForm)
	}
	g.Stream = stream
	words := strings.Fields(after)
	if len(words) == 0 {
		return errors.New("there is no value after the comparison; " + gateForm)
	}
	names, known := gauges(stream)
	if err := g.parseMetric(metric, names, known); err != nil {
		return err
	}
	if err := g.parseLimit(words[0]); err != nil {
		return err
	}
	return g.parseScope(words[1:])
}

var gaugeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// parseMetric reads p99, service.p99, within(250ms), lost.
func (g *Gate) parseMetric(text string, gauges []string, known bool) error {
	name, argument, called := strings.Cut(text, "(")
	if of, latency, ok := strings.Cut(name, "."); ok && !called && slices.Contains(latencyPrefixes, of) {
		if !slices.Contains(latencies, latency) {
			return fmt.Errorf("unknown metric %s; after %s. stands one of %s", quote(text), of, strings.Join(latencies, ", "))
		}
		g.Metric = metrics[latency]
		g.Metric.Of = of
		return nil
	}
	m, ok := metrics[name]
	switch {
	case ok && name == "within":
		return g.parseWithin(m, argument, called)
	case ok && !called:
		g.Metric = m
		return nil
	case ok:
		return fmt.Errorf("%s takes no argument", name)
	case !called && gaugeName.MatchString(name) && (!known || slices.Contains(gauges, name)):
		g.Metric = Metric{Name: name, Class: Gauge}
		return nil
	}
	return unknownMetric(text, gauges)
}

func unknownMetric(text string, gauges []string) error {
	allowed := append(slices.Collect(maps.Keys(metrics)), gauges...)
	return fmt.Errorf("unknown metric %s; %s, service.p99, acked.p99, first_message.p99, message_gap.p99, rebalance.p99, effect.p99", quote(text), choices(text, allowed))
}

func (g *Gate) parseWithin(m Metric, argument string, called bool) error {
	argument, closed := strings.CutSuffix(argument, ")")
	if !called || !closed {
		return errors.New("within takes a time: write within(250ms)")
	}
	d, err := parseDuration(strings.TrimSpace(argument))
	if err != nil {
		return fmt.Errorf("within: %w", err)
	}
	if d == 0 {
		return errors.New("within: nothing is answered within no time")
	}
	g.Metric = m
	g.Metric.Within = d
	return nil
}

var (
	decimal  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	anyValue = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// parseLimit reads the value in the unit of the metric.
func (g *Gate) parseLimit(text string) error {
	switch g.Metric.Unit {
	case UnitNS:
		d, err := parseDuration(text)
		g.Limit = float64(d)
		return err
	case UnitRatio:
		return g.parseShare(text)
	case UnitPerSecond:
		var p PerSecond
		err := p.UnmarshalText([]byte(text))
		g.Limit = float64(p)
		return err
	case UnitCount:
		n, err := strconv.ParseUint(text, 10, 53) // what a float64 holds exactly
		if err != nil {
			return fmt.Errorf("%s counts operations: %s is no whole number such as 0 or 100", g.Metric.Name, quote(text))
		}
		g.Limit = float64(n)
		return nil
	}
	limit, err := strconv.ParseFloat(text, 64)
	if err != nil || !anyValue.MatchString(text) || math.IsInf(limit, 0) {
		if g.Metric.Class == Gauge {
			return fmt.Errorf("%s is none of the common metrics, and a driver's gauge takes a plain number, not %s", g.Metric.Name, quote(text))
		}
		return fmt.Errorf("%s takes a plain number such as 1.2, not %s", g.Metric.Name, quote(text))
	}
	g.Limit = limit
	return nil
}

// parseShare reads 1% or 0.01. The percent sign becomes an exponent, so that 0.7% is the same number as 0.007: dividing
// by 100 would round twice.
func (g *Gate) parseShare(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	if !decimal.MatchString(number) {
		return fmt.Errorf("%s is a share: write 1%% or 0.01, and not %s", g.Metric.Name, quote(text))
	}
	if percent {
		number += "e-2"
	}
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || limit > 1 {
		return fmt.Errorf("%s is a share, from 0%% to 100%%: %s is beyond; for a hundredth write 1%% or 0.01", g.Metric.Name, clip(text))
	}
	g.Limit = limit
	return nil
}

const scopeForm = "a scope is one of: during WINDOW, after FAULT, in every second"

// parseScope reads the scopes, of which a window and every second may stand together.
func (g *Gate) parseScope(words []string) error {
	for len(words) > 0 {
		n, err := g.scope(words)
		if err != nil {
			return err
		}
		words = words[n:]
	}
	if g.Scope.EverySecond && !bySecond(g.Metric) {
		return fmt.Errorf("%s is not judged by the second: take in every second away", g.Metric.Full())
	}
	return nil
}

// scope reads one scope and returns how many words it took.
func (g *Gate) scope(words []string) (int, error) {
	if len(words) >= 3 && slices.Equal(words[:3], []string{"in", "every", "second"}) && !g.Scope.EverySecond {
		g.Scope.EverySecond = true
		return 3, nil
	}
	if len(words) < 2 || g.Scope.Window != "" || (words[0] != "during" && words[0] != "after") {
		return 0, fmt.Errorf("%s is not understood; %s", quote(strings.Join(words, " ")), scopeForm)
	}
	taken, after := 2, words[0] == "after"
	if words[0] == "during" && words[1] == "after" && len(words) > 2 {
		taken, after = 3, true
	}
	name := words[taken-1]
	switch {
	case !faultName.MatchString(name):
		return 0, fmt.Errorf("%s is no name of a window; %s", quote(name), scopeForm)
	case name == "warmup":
		return 0, errors.New("the warm-up is not measured; take another window")
	case after && slices.Contains(reserved, name):
		return 0, fmt.Errorf("after takes the name of a fault, and not %s", name)
	}
	g.Scope.Window = name
	if after {
		g.Scope.Window = faults.After(name)
	}
	return taken, nil
}
