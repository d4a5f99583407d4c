package prometheus

import (
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	client "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"wringer/reports"
)

// Exporter shows the state of a run. Its methods are safe for concurrent use. Before the first Take it shows nothing.
type Exporter struct {
	state    atomic.Pointer[State]
	registry *client.Registry
}

// New returns an exporter that shows nothing yet.
func New() *Exporter {
	e := &Exporter{registry: client.NewRegistry()}
	e.registry.MustRegister(e)
	return e
}

// Take shows s from now on. It does not block.
func (e *Exporter) Take(s *State) { e.state.Store(s) }

// Gather returns the metrics of the state.
func (e *Exporter) Gather() ([]*dto.MetricFamily, error) { return e.registry.Gather() }

// Handler answers scrapes, in Prometheus's text, in OpenMetrics, and in Protobuf, which has the native histograms.
func (e *Exporter) Handler() http.Handler {
	return promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 8})
}

// Describe is client.Collector's.
func (e *Exporter) Describe(out chan<- *client.Desc) {
	for _, f := range families {
		out <- f.desc
	}
}

// Collect is client.Collector's.
func (e *Exporter) Collect(out chan<- client.Metric) {
	s := e.state.Load()
	if s == nil || s.Run == nil {
		return
	}
	c := collection{out, s.Run.Name, s.Run.Started.Add(time.Duration(s.Run.WarmupNS))}
	c.run(s)
	for _, name := range s.Run.StreamNames() {
		c.stream(name, s.Run.Streams[name], s.native(name))
	}
	c.beside(s)
	c.faults(s.Faults)
	c.gates(s.Run.Gates)
}

// collection sends the metrics of one scrape.
type collection struct {
	out      chan<- client.Metric
	scenario string
	epoch    time.Time // the wall time at which the run's clock is zero
}

// put sends a value. Texts of a scenario need not be UTF-8.
func (c *collection) put(f *family, value float64, labels ...string) {
	c.out <- client.MustNewConstMetric(f.desc, f.kind, value, c.labels(labels)...)
}

func (c *collection) labels(labels []string) []string {
	all := []string{strings.ToValidUTF8(c.scenario, "?")}
	for _, text := range labels {
		all = append(all, strings.ToValidUTF8(text, "?"))
	}
	return all
}

func (c *collection) run(s *State) {
	c.put(runInfo, 1, s.Run.ID, s.Run.Version, strconv.FormatInt(s.Run.Seed, 10))
	c.put(runTime, s.At.Seconds())
	c.put(runPlanned, time.Duration(s.Run.PlannedNS).Seconds())
	if s.Window != "" {
		c.put(runWindow, 1, s.Window)
	}
	if s.Over {
		c.verdict(runVerdict, s.Run.Verdict)
	}
}

// verdict puts 1 for a verdict, and 0 for the others.
func (c *collection) verdict(f *family, is reports.Verdict, labels ...string) {
	for _, v := range []reports.Verdict{reports.Pass, reports.Fail, reports.Inconclusive} {
		c.put(f, truth(v == is), append(slices.Clone(labels), string(v))...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (c *collection) stream(name string, s *reports.Stream, native map[int]int64) {
	c.observed(name, s.Total.Integrity)
	if s.Consumes() {
		return
	}
	m := &s.Total
	for _, count := range counts {
		c.put(count.family, float64(count.of(&m.Counts)), name)
	}
	for _, code := range slices.Sorted(maps.Keys(m.Errors)) {
		c.put(errorsByCode, float64(m.Errors[code]), name, code)
	}
	if m.Bytes != nil {
		c.put(sentBytes, float64(m.Bytes.Out), name)
		c.put(receivedBytes, float64(m.Bytes.In), name)
	}
	c.out <- newHistogram(response.desc, c.epoch, s, native, c.labels([]string{name}))
}

// duplicates is the count of duplicates of either kind: a stream is observed in its own log or by its effects.
const duplicates = "duplicates"

// observed puts the integrity of the record. During the run the record has none yet.
func (c *collection) observed(name string, i *reports.Integrity) {
	var copies int64
	known := false
	for _, count := range reports.IntegrityNames() {
		n := i.Count(count)
		if n == nil {
			continue
		}
		c.put(integrity, float64(*n), name, count)
		if count == "log_duplicates" || count == "effect_duplicates" {
			copies, known = copies+*n, true
		}
	}
	if known {
		c.put(integrity, float64(copies), name, duplicates)
	}
}

// beside puts what the record does not hold while the run goes on.
func (c *collection) beside(s *State) {
	for i := range s.Streams {
		one := &s.Streams[i]
		stream := s.Run.Streams[one.Name]
		if stream == nil {
			continue
		}
		if !stream.Consumes() {
			c.put(inFlight, float64(one.InFlight), one.Name)
		}
		for _, quantile := range slices.Sorted(maps.Keys(one.Lag)) {
			c.put(lag, one.Lag[quantile].Seconds(), one.Name, strconv.FormatFloat(quantile, 'g', -1, 64))
		}
		if one.Observed && stream.Total.Integrity == nil {
			c.live(one.Name, &one.Live)
		}
	}
}

func (c *collection) live(name string, l *reports.Live) {
	for _, count := range []struct {
		name string
		n    int64
	}{
		{"acked", l.Acked}, {"seen", l.Seen}, {"unseen", l.Unseen}, {"phantom", l.Phantom}, {duplicates, l.Duplicates},
		{"redelivered", l.Redelivered}, {"order_violations", l.OrderViolations},
	} {
		c.put(integrity, float64(count.n), name, count.name)
	}
}

// faults puts the faults. Those of one name are one.
func (c *collection) faults(all []Fault) {
	inForce := make(map[[2]string]bool)
	for _, f := range all {
		key := [2]string{f.Name, f.Kind}
		inForce[key] = inForce[key] || f.InForce
	}
	for key, is := range inForce {
		c.put(faultInForce, truth(is), key[:]...)
	}
}

// gates puts the gates. Equal gates are one.
func (c *collection) gates(all []reports.Gate) {
	seen := make(map[string]bool)
	for i := range all {
		g := &all[i]
		if seen[g.Expr] {
			continue
		}
		seen[g.Expr] = true
		c.verdict(gateVerdict, g.Verdict, g.Expr)
		if g.Observed != nil {
			c.put(gateObserved, inSeconds(g, *g.Observed), g.Expr)
		}
		if g.Limit != nil {
			c.put(gateLimit, inSeconds(g, *g.Limit), g.Expr)
		}
	}
}

// inSeconds turns a gate's time into seconds, and leaves other values alone.
func inSeconds(g *reports.Gate, value float64) float64 {
	if g.Unit == "ns" {
		return value / 1e9
	}
	return value
}
