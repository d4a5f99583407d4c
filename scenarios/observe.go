package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"wringer/drivers"
)

// Observed is one entry of `observe`: a place where the target says how it is.
type Observed struct {
	Name   string
	Config drivers.SeriesConfig

	at *node // of Config in the file
}

// The bounds of `observe`.
const (
	MaxObserved = 32  // entries
	MaxSeries   = 200 // of all entries
	// MaxObservedValues bounds the values that are kept of a run.
	MaxObservedValues = 2_000_000
)

// ObserveSubject is the subject of the metrics of a series of the target: observe(jvm.heap).max.
const ObserveSubject = "observe"

// observe reads the entries, in the order of the file.
func (r *reader) observe(n *node, s *Scenario) {
	switch {
	case r.lang.Observe == nil:
		r.problem(n, "observe: this language knows no place where a target says how it is")
		return
	case n.kind != table:
		r.problem(n, "observe: expects a table of entries by name, as in jvm: {prometheus: URL, series: {heap: SELECTOR}}, found %s", n.words())
		return
	case len(n.fields) == 0:
		r.problem(n, "observe: holds no entry; leave it out, or name one, as in jvm: {prometheus: URL, series: {heap: SELECTOR}}")
	case len(n.fields) > MaxObserved:
		r.problem(n, "observe: %d entries; the maximum is %d", len(n.fields), MaxObserved)
		return
	}
	series := 0
	for _, f := range n.fields {
		o := Observed{Name: f.key.text, at: f.value}
		if !streamName.MatchString(o.Name) {
			r.problem(f.key, "observe: %s is no name of an entry: write small letters, digits, - and _, a letter first, at most 50", quote(o.Name))
		}
		config := r.lang.Observe()
		r.lateTexts(func() {
			if r.config(f.value, "observe."+o.Name, config) {
				o.Config = config
			}
		})
		if o.Config != nil {
			r.seriesNames(f.value, &o)
			series += len(o.Config.Describe().Series)
		}
		s.Observe = append(s.Observe, o)
	}
	if series > MaxSeries {
		r.problem(n, "observe: %d series; the maximum is %d", series, MaxSeries)
	}
	r.checkValues(n, s)
}

// seriesNames checks the names of an entry's series.
func (r *reader) seriesNames(n *node, o *Observed) {
	for _, name := range o.Config.Describe().Series {
		if !streamName.MatchString(name) {
			at := n.find("series")
			for _, f := range at.fields {
				if f.key.text == name {
					at = f.key
				}
			}
			r.problem(at, "observe.%s: %s is no name of a series: write small letters, digits, - and _, a letter first, at most 50", o.Name, quote(name))
		}
	}
}

// checkValues bounds what a run keeps of its readings.
func (r *reader) checkValues(n *node, s *Scenario) {
	length, values := s.Run.Warmup+s.Run.Duration+s.Run.Drain, int64(0)
	for _, o := range s.Observe {
		if o.Config != nil {
			d := o.Config.Describe()
			values += int64(len(d.Series)) * (int64(length/max(d.Every, time.Millisecond)) + 1)
		}
	}
	if values > MaxObservedValues {
		r.problem(n, "observe: the run would read %d values; the maximum is %d: make every longer, or observe fewer series", values, MaxObservedValues)
	}
}

// ObservedSeries lists the series as gates name them, ENTRY.SERIES, in the order of the scenario.
func (s *Scenario) ObservedSeries() (names []string) {
	for _, o := range s.Observe {
		if o.Config != nil {
			for _, series := range o.Config.Describe().Series {
				names = append(names, o.Name+"."+series)
			}
		}
	}
	return names
}

// checkObserveGate checks a gate on a series of the target.
func (r *reader) checkObserveGate(n *node, g *Gate, s *Scenario) {
	names := s.ObservedSeries()
	entry, series, _ := strings.Cut(g.Subject.Name, ".")
	i := slices.IndexFunc(s.Observe, func(o Observed) bool { return o.Name == entry })
	switch {
	case g.Stream != "":
		r.problem(n, "gate %s: a series is of the target, and of no stream: write %s(%s).%s", quote(g.Expr), ObserveSubject, g.Subject.Name, g.Metric.Name)
	case len(s.Observe) == 0:
		r.problem(n, "gate %s: the scenario observes nothing: give it observe, as in observe: {jvm: {prometheus: URL, series: {heap: SELECTOR}}}", quote(g.Expr))
	case i >= 0 && s.Observe[i].Config == nil: // its problems are known
	case i < 0 || !slices.Contains(s.Observe[i].Config.Describe().Series, series):
		r.problem(n, "gate %s: there is no series %s; %s", quote(g.Expr), quote(g.Subject.Name), choices(g.Subject.Name, names))
	case g.Metric.Cumulative && s.Observe[i].Config.Describe().NoCounters != "":
		r.problem(n, "gate %s: %s is of counters, and %s has none: %s", quote(g.Expr), g.Metric.Name, entry, s.Observe[i].Config.Describe().NoCounters)
	default:
		r.checkScope(n, g, s)
	}
}

// parseAmount reads a limit on a series: a plain number, or one with a unit. Prometheus counts bytes, seconds and shares of 1.
func parseAmount(text string) (float64, bool) {
	if number, percent := strings.CutSuffix(text, "%"); percent {
		return plainNumber(number + "e-2") // dividing by 100 would round twice
	}
	if v, ok := plainNumber(text); ok {
		return v, true
	}
	if d, err := parseDuration(text); err == nil {
		return d.Seconds(), true
	}
	var b drivers.Bytes
	if err := b.UnmarshalText([]byte(text)); err == nil {
		return float64(b), true
	}
	return 0, false
}

// observedSchema describes the entries by their names.
func observedSchema() *jsonschema.Schema {
	least, most := uint64(1), uint64(MaxObserved)
	names := &jsonschema.Schema{Pattern: streamName.String()}
	return &jsonschema.Schema{Type: "object", PropertyNames: names, AdditionalProperties: ref("observe"), MinProperties: &least, MaxProperties: &most}
}

// String describes the entry in words, for `wringer check`.
func (o *Observed) String() string {
	d := o.Config.Describe()
	return fmt.Sprintf("%d series every %s\t%s", len(d.Series), d.Every, d.Place)
}
