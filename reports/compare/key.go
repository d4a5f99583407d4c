package compare

import (
	"cmp"
	"math"
	"regexp"
	"strings"

	"wringer/reports"
	"wringer/reports/metric"
)

// key is one metric over one part of the run.
type key struct {
	stream, metric, window string // metric with its argument and without spaces; window "": the whole run
	second                 bool   // the worst second
}

// keyOf is the key of a gate: all of it apart from the comparison and the limit.
func keyOf(g *reports.Gate) key {
	k := key{stream: g.Stream}
	left := g.Expr
	if at := metric.ComparisonAt(left); at >= 0 {
		left = left[:at]
	}
	left = strings.Join(strings.Fields(left), "")
	if k.stream == "" && !ofNoStream.MatchString(left) { // a record of another program may tell no more than the contract asks for
		k.stream, _, _ = strings.Cut(left, ".")
	}
	k.metric = left
	if k.stream != "" {
		k.metric = strings.TrimPrefix(left, k.stream+".")
	}
	if g.Window != nil {
		k.window = *g.Window
	}
	k.second = strings.Contains(" "+strings.Join(strings.Fields(g.Expr), " ")+" ", " in every second ")
	return k
}

// ofNoStream begins the metrics of links and of what the target says of itself.
var ofNoStream = regexp.MustCompile(`^(link|observe)\(`)

var subject = regexp.MustCompile(`^(\w+)\([^)]*\)(\..+)?$`)

// lookup finds the metric of a key in the catalogue; nil for a driver's gauge.
func lookup(c *metric.Catalogue, name string) *metric.Metric {
	if m := c.Lookup(name); m != nil {
		return m
	}
	if s := subject.FindStringSubmatch(name); s != nil {
		if m := c.Lookup(s[1] + "(NAME)" + s[2]); m != nil || s[2] != "" {
			return m
		}
	}
	name, _, _ = strings.Cut(name, "(")
	return c.Lookup(name)
}

// reading is the value of a metric in one run. +Inf lies beyond every measured value.
type reading struct {
	value   float64
	missing string // why there is no value; empty: there is one
}

func found(v float64) reading {
	if math.IsNaN(v) || math.IsInf(v, -1) {
		return absent("it is no number in the record")
	}
	return reading{value: v}
}

func absent(why string) reading { return reading{missing: why} }

// read reads a metric from the record: from its sums, which say the same of every run, and where they cannot tell, from a gate on it. An
// inconclusive gate says that the value is not to be trusted.
func (k key) read(r *reports.Run, c *metric.Catalogue) reading {
	var gate *reports.Gate
	for i := range r.Gates {
		if g := &r.Gates[i]; keyOf(g) == k {
			gate = g
			break
		}
	}
	if gate != nil && !trusted(gate) {
		return absent(cmp.Or(gate.Why, "its gate is inconclusive"))
	}
	v := k.summed(r, c)
	if v.missing != "" && gate != nil {
		return observed(gate)
	}
	return v
}

// summed reads a metric from the sums of the record.
func (k key) summed(r *reports.Run, c *metric.Catalogue) reading {
	if k.second {
		return absent("it has no gate on every second")
	}
	s := r.Streams[k.stream]
	if s == nil {
		return absent("it has no stream " + k.stream)
	}
	if k.window == "" {
		if k.metric == "rate" && s.Total.Rate == nil && r.DurationNS > 0 {
			return found(float64(s.Total.Acked) / (float64(r.DurationNS) / 1e9))
		}
		return measured(&s.Total, k.metric, c)
	}
	m := s.Windows[k.window]
	if m == nil {
		return absent("it has no window " + k.window)
	}
	for i := range r.Windows { // the sums of a window leave out what lies inside it
		if r.Windows[i].Base == k.window {
			return absent("its window " + k.window + " holds phases or steps, and no gate sums them up")
		}
	}
	return measured(m, k.metric, c)
}

// trusted says whether a gate's value is the target's own: it was decided, or lacks nothing but a saved value.
func trusted(g *reports.Gate) bool {
	return g.Verdict == reports.Pass || g.Verdict == reports.Fail || g.Saved.Open()
}

// observed is the value of a gate.
func observed(g *reports.Gate) reading {
	switch {
	case g.Observed != nil:
		return found(*g.Observed)
	case g.Verdict == reports.Fail || g.Beyond != "":
		return found(math.Inf(1))
	}
	return absent(cmp.Or(g.Why, "it is not measured"))
}

// measured reads a metric from the sums of a window.
func measured(m *reports.Measures, name string, c *metric.Catalogue) reading {
	if of, statistic, ok := timeOf(m, name); ok {
		return percentile(of, statistic)
	}
	share := func(n int64) reading {
		if m.Offered == 0 {
			return absent("no operation was offered")
		}
		return found(float64(n) / float64(m.Offered))
	}
	switch name {
	case "errors":
		return share(m.Rejected + m.Indeterminate + m.Dropped)
	case "rejected":
		return share(m.Rejected)
	case "indeterminate":
		return share(m.Indeterminate)
	case "dropped":
		return share(m.Dropped)
	case "rate":
		return plain(m.Rate)
	case "amplification":
		return plain(m.Amplification)
	}
	if d := c.Lookup(name); d != nil && d.Count != nil {
		return counted(d.Count(m))
	}
	return counted(m.Count(name))
}

const notMeasured = "it is not measured"

func plain(v *float64) reading {
	if v == nil {
		return absent(notMeasured)
	}
	return found(*v)
}

func counted(n *int64) reading {
	if n == nil {
		return absent("it is not measured, or not known")
	}
	return found(float64(*n))
}

// timeOf finds the distribution of p99, service.p99, effect.max.
func timeOf(m *reports.Measures, name string) (l *reports.Latency, statistic string, ok bool) {
	of, statistic, prefixed := strings.Cut(name, ".")
	if !prefixed {
		of, statistic = "", name
	}
	switch of {
	case "":
		l = m.Response
	case "service":
		l = m.Service
	case "acked":
		l = m.AckedResponse
	case "effect":
		if m.Effect != nil {
			l = &m.Effect.Latency
		}
	default:
		return nil, "", false
	}
	_, ok = statistics[statistic]
	return l, statistic, ok
}

// statistics read a distribution. The longest and the mean are over answers in the record; an operation without an answer is slower than
// every answer.
var statistics = map[string]func(*reports.Latency) *float64{
	"p50":  func(l *reports.Latency) *float64 { return l.P50 },
	"p90":  func(l *reports.Latency) *float64 { return l.P90 },
	"p95":  func(l *reports.Latency) *float64 { return l.P95 },
	"p99":  func(l *reports.Latency) *float64 { return l.P99 },
	"p999": func(l *reports.Latency) *float64 { return l.P999 },
	"max":  func(l *reports.Latency) *float64 { return overAll(l, l.Max) },
	"mean": func(l *reports.Latency) *float64 { return overAll(l, l.Mean) },
}

func overAll(l *reports.Latency, v *float64) *float64 {
	if l.Unanswered != nil && *l.Unanswered > 0 {
		return nil
	}
	return v
}

func percentile(l *reports.Latency, statistic string) reading {
	if l == nil {
		return absent(notMeasured)
	}
	v := statistics[statistic](l)
	switch {
	case v != nil:
		return found(*v)
	case l.Unanswered != nil && *l.Unanswered > 0:
		return found(math.Inf(1))
	}
	return absent(notMeasured)
}
