package scenarios

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports/metric"
)

// Gate is one line of `expect`: STREAM.METRIC COMPARISON VALUE [SCOPE].
type Gate struct {
	Expr   string // as written
	Stream string
	// Subject is the part of the stream that Metric is of; the zero value is the whole stream.
	Subject Subject
	// Index is the number of the step or the check that Subject names, among those of the stream.
	Index  int
	Metric *metric.Metric
	// Argument of the metric, as in within(250ms); 0 if the metric takes none.
	Argument time.Duration
	// Comparison is one of < <= > >= == !=.
	Comparison string
	// Limit in Metric.Unit. Saved: a saved run gives it.
	Limit float64
	Saved *SavedLimit
	Scope Scope
	at    place // line 0: it came from elsewhere
}

// Scope is the part of the run over which a gate is judged.
type Scope struct {
	// Window is the window's name; empty: the whole measured part.
	Window string
	// EverySecond: the worst second decides.
	EverySecond bool
}

// comparisons are those that a gate may use.
var comparisons = []string{"<", "<=", ">", ">=", "==", "!="}

// ParseGate reads STREAM.METRIC COMPARISON VALUE [SCOPE] with a metric of the catalogue. It takes an unknown metric for a
// driver's gauge: only the scenario knows its drivers. Errors name the wrong part and the allowed words.
func ParseGate(expr string, catalogue *metric.Catalogue) (Gate, error) {
	p := gateParser{catalogue: catalogue, gauges: noGauges}
	return p.parse(expr)
}

// gateParser reads gates. gauges lists the gauges of a stream, if they are known.
type gateParser struct {
	catalogue *metric.Catalogue
	gauges    func(stream string) (of gauges, known bool)
}

// gauges are the names of a stream's gauges, and of those among them that only rise.
type gauges struct{ names, counters, anomalies []string }

// noGauges knows no stream.
func noGauges(string) (of gauges, known bool) { return gauges{}, false }

func (p *gateParser) parse(expr string) (Gate, error) {
	written := strings.TrimSpace(expr)
	g := Gate{}
	var err error
	if g.Expr, err = respelled(written); err == nil {
		err = p.read(&g)
	}
	g.Expr = written
	if err == nil {
		err = g.decidable()
	}
	if err != nil {
		return Gate{}, fmt.Errorf("gate %s: %w", quote(g.Expr), err)
	}
	return g, nil
}

const gateForm = "write STREAM.METRIC COMPARISON VALUE [SCOPE], as in orders.p99 < 250ms during baseline"

func (p *gateParser) read(g *Gate) error {
	from := metric.ComparisonAt(g.Expr)
	if from < 0 {
		return errors.New("there is no comparison; " + gateForm)
	}
	after := strings.TrimLeft(g.Expr[from:], "<>=!")
	g.Comparison = g.Expr[from : len(g.Expr)-len(after)]
	if !slices.Contains(comparisons, g.Comparison) {
		return fmt.Errorf("%s is no comparison; allowed: %s", clip(g.Comparison), strings.Join(comparisons, " "))
	}
	stream, name, ok := cutStream(strings.TrimSpace(g.Expr[:from]))
	if !ok || stream != "" && !streamName.MatchString(stream) {
		return fmt.Errorf("%s names no metric of a stream; %s", quote(g.Expr[:from]), gateForm)
	}
	g.Stream = stream
	words := strings.Fields(after)
	if len(words) == 0 {
		return errors.New("there is no value after the comparison; " + gateForm)
	}
	if err := p.metric(g, name); err != nil {
		return err
	}
	if instead := g.Metric.Instead; instead != "" {
		return fmt.Errorf("%s is known only while the run goes on, and 0 once the run is over; write %s in its place", g.MetricName(), instead)
	}
	if rest, saved, err := g.savedLimit(after); saved {
		if err != nil {
			return err
		}
		return g.parseScope(rest)
	}
	value, rest := cutValue(words)
	if err := g.parseLimit(value); err != nil {
		return err
	}
	return g.parseScope(rest)
}

// cutStream cuts the stream off the front of a metric. A link needs none, and a series of the target has none:
// link(orders->stock).requests, observe(jvm.heap).max.
func cutStream(text string) (stream, metric string, ok bool) {
	if s, _, is := cutSubject(text); is && (s.Kind == LinkSubject || s.Kind == ObserveSubject) {
		return "", text, true
	}
	stream, metric, ok = strings.Cut(text, ".")
	return stream, metric, ok && stream != ""
}

// cutValue takes the value from the front of the words. Its unit may stand apart, as reports print it: 250 ms, 1 %.
func cutValue(words []string) (value string, rest []string) {
	if len(words) > 1 && anyValue.MatchString(words[0]) && unit.MatchString(words[1]) {
		return words[0] + words[1], words[2:]
	}
	return words[0], words[1:]
}

// unit is what may stand apart from a number. No word of a scope is one.
var unit = regexp.MustCompile(`^(%|ns|us|µs|μs|ms|s|m|h|/s|/m|/h)$`)

var gaugeName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// metric reads p99, service.p99, within(250ms), lost.
func (p *gateParser) metric(g *Gate, text string) error {
	if subject, rest, ok := cutSubject(text); ok {
		return p.narrow(g, subject, rest)
	}
	if subject, ok := p.wholeSubject(text); ok {
		return p.narrow(g, subject, "")
	}
	name, argument, called := strings.Cut(text, "(")
	if of, _, ok := strings.Cut(name, "."); ok && !called && slices.Contains(p.catalogue.Prefixes(), of) {
		if g.Metric = p.catalogue.Lookup(name); g.Metric == nil {
			return fmt.Errorf("unknown metric %s; after %s. write one of %s", quote(text), of, strings.Join(p.catalogue.Names(of), ", "))
		}
		return nil
	}
	if g.Metric = p.catalogue.Lookup(name); g.Metric != nil {
		switch {
		case g.Metric.Argument:
			return g.parseArgument(argument, called)
		case called:
			return fmt.Errorf("%s takes no argument", name)
		}
		return nil
	}
	of, known := p.gauges(g.Stream)
	if !called && gaugeName.MatchString(name) && (!known || slices.Contains(of.names, name)) {
		// A driver's gauges are never below 0. What no driver is known to have may be anything.
		g.Metric = &metric.Metric{Name: name, Class: metric.Gauge, Bounded: known, Cumulative: slices.Contains(of.counters, name), Anomaly: slices.Contains(of.anomalies, name)}
		return nil
	}
	return p.unknown(text, of.names)
}

// narrow reads the metric of a subject. Without a name it is that of the subject itself, as in code(timeout).
func (p *gateParser) narrow(g *Gate, subject Subject, name string) error {
	subjects := p.catalogue.Subjects()
	if !slices.Contains(subjects, subject.Kind) {
		return fmt.Errorf("there is nothing that %s(...) names; %s", clip(subject.Kind), choices(subject.Kind, subjects))
	}
	var names []string
	for _, m := range p.catalogue.Of(subject.Kind) {
		if m.Name == name {
			g.Subject, g.Metric = subject, m
			return nil
		}
		names = append(names, m.Name)
	}
	written := subject.Kind + "(" + clip(subject.Name) + ")"
	switch {
	case names[0] == "":
		return fmt.Errorf("%s is a number by itself: write %s == 0, without %s", written, written, quote("."+name))
	case name == "":
		return fmt.Errorf("%s names no metric: write %s.%s; %s", written, written, names[0], choices(name, names))
	}
	return fmt.Errorf("unknown metric %s of %s; %s", quote(name), written, choices(name, names))
}

// MetricName is the full name of the gate's metric, with the name of its subject.
func (g *Gate) MetricName() string {
	if g.Subject.Kind == "" {
		return g.Metric.Full()
	}
	return strings.TrimSuffix(g.Subject.Kind+"("+g.Subject.Name+")."+g.Metric.Name, ".")
}

// unknown names the metrics that are near a word that is none; when none is near, some of each class.
func (p *gateParser) unknown(text string, gauges []string) error {
	all := slices.Clone(gauges)
	for _, m := range p.catalogue.List() {
		all = append(all, m.Full())
	}
	name, _, _ := strings.Cut(text, "(")
	help := p.examples(gauges)
	if near := nearestFew(name, all); len(near) > 0 {
		help = "did you mean " + quote(near[0])
		if len(near) > 1 {
			help += ", or " + strings.Join(near[1:], ", ")
		}
		help += "?"
	}
	return fmt.Errorf("unknown metric %s; %s docs/gates.md lists every metric", quote(text), help)
}

// examples are some metrics of each class, and the gauges of the stream.
func (p *gateParser) examples(gauges []string) string {
	const most = 4
	byClass := make(map[metric.Class][]string)
	for _, name := range p.catalogue.Names("") {
		if m := p.catalogue.Lookup(name); len(byClass[m.Class]) < most {
			byClass[m.Class] = append(byClass[m.Class], name)
		}
	}
	text := "write one such as"
	for _, class := range []struct {
		of   metric.Class
		name string
	}{{metric.TimeOrRate, "times and rates"}, {metric.Outcome, "outcomes"}, {metric.Integrity, "integrity"}, {metric.Recovery, "recovery"}} {
		if names := byClass[class.of]; len(names) > 0 {
			text += fmt.Sprintf(" %s (%s),", strings.Join(names, ", "), class.name)
		}
	}
	if len(gauges) > 0 {
		return text + " or " + strings.Join(gauges, ", ") + " (gauges of the stream);"
	}
	return strings.TrimSuffix(text, ",") + ";"
}

// parseArgument reads the time of within(250ms).
func (g *Gate) parseArgument(argument string, called bool) error {
	name := g.Metric.Name
	argument, closed := strings.CutSuffix(argument, ")")
	if !called || !closed {
		return fmt.Errorf("%s takes a time: write %s(250ms)", name, name)
	}
	d, err := parseDuration(joined(argument))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if d == 0 {
		return fmt.Errorf("%s: the time must be more than 0", name)
	}
	g.Argument = d
	return nil
}

var (
	decimal  = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	anyValue = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// parseLimit reads the value in the unit of the metric.
func (g *Gate) parseLimit(text string) error {
	switch g.Metric.Unit {
	case metric.NS:
		d, err := parseDuration(text)
		g.Limit = float64(d)
		return err
	case metric.Ratio:
		return g.parseShare(text)
	case metric.PerSecond:
		var p PerSecond
		err := p.UnmarshalText([]byte(text))
		g.Limit = float64(p)
		return err
	case metric.Count:
		n, err := strconv.ParseUint(text, 10, 53) // a float64 holds such a number exactly
		if err != nil {
			return fmt.Errorf("%s is a count: %s is no whole number such as 0 or 100", g.MetricName(), quote(text))
		}
		g.Limit = float64(n)
		return nil
	}
	if g.Subject.Kind == ObserveSubject {
		limit, ok := parseAmount(text)
		if g.Limit = limit; !ok {
			return fmt.Errorf("%s is no value of a series: write a number such as 0 or 1.5e6, an amount such as 1GiB, a time such as 250ms, or a share such as 80%%", quote(text))
		}
		return nil
	}
	limit, ok := plainNumber(text)
	if !ok {
		if g.Metric.Class == metric.Gauge {
			return fmt.Errorf("%s is none of the common metrics, and a driver's gauge takes a plain number, not %s", g.Metric.Name, quote(text))
		}
		return fmt.Errorf("%s takes a plain number such as 1.2, not %s", g.Metric.Name, quote(text))
	}
	g.Limit = limit
	return nil
}

// plainNumber reads a number without a unit.
func plainNumber(text string) (v float64, ok bool) {
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil && anyValue.MatchString(text) && !math.IsInf(v, 0)
}

// parseShare reads 1% or 0.01. The percent sign becomes an exponent, so that 0.7% is the same number as 0.007: dividing by 100
// would round twice.
func (g *Gate) parseShare(text string) error {
	number, percent := strings.CutSuffix(text, "%")
	if !decimal.MatchString(number) {
		return fmt.Errorf("%s is a share: write 1%% or 0.01, and not %s", g.Metric.Name, quote(text))
	}
	switch {
	case percent:
		number += "e-2"
	case !strings.Contains(number, ".") && strings.Trim(number, "0") != "":
		return fmt.Errorf("%s is a share, and %s has no unit: write %s%%, or a fraction such as 0.01 (1.0 is all)", g.Metric.Name, clip(number), clip(number))
	}
	limit, err := strconv.ParseFloat(number, 64)
	if err != nil || limit > 1 {
		return fmt.Errorf("%s is a share between 0%% and 100%%; %s is out of range (write 1%% or 0.01 for a hundredth)", g.Metric.Name, clip(text))
	}
	g.Limit = limit
	return nil
}

const scopeForm = "a scope is one of: during WINDOW, after FAULT, in every second"

// parseScope reads the scopes. A window and `in every second` may be combined.
func (g *Gate) parseScope(words []string) error {
	for len(words) > 0 {
		n, err := g.scope(words)
		if err != nil {
			return err
		}
		words = words[n:]
	}
	if g.Scope.EverySecond && !g.Metric.BySecond {
		return fmt.Errorf("%s is not measured for each second: remove `in every second`", g.Metric.Full())
	}
	return nil
}

// scope reads one scope and returns the number of words that it took.
func (g *Gate) scope(words []string) (int, error) {
	if len(words) >= 3 && slices.Equal(words[:3], []string{"in", "every", "second"}) && !g.Scope.EverySecond {
		g.Scope.EverySecond = true
		return 3, nil
	}
	if len(words) < 2 || g.Scope.Window != "" || (words[0] != "during" && words[0] != "after") {
		return 0, fmt.Errorf("%s is not a scope; %s", quote(strings.Join(words, " ")), scopeForm)
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
		return 0, errors.New("the warm-up is not measured; choose another window")
	case after && slices.Contains(reserved, name):
		return 0, fmt.Errorf("after takes the name of a fault, not %s", name)
	}
	g.Scope.Window = name
	if after {
		g.Scope.Window = faults.After(name)
	}
	return taken, nil
}
