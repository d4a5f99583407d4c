// Package metric holds the catalogue of metrics. A metric has a name for gates, a unit, a better direction, the needs of its
// stream, and a reader. Each measurement has a table of its metrics beside its code. The scenario language, the judge and the
// reports read the tables, and know no metric by name. This package needs the standard library and package reports.
package metric

import (
	"math"
	"time"

	"wringer/reports"
)

// The units of metrics, as gates in the record name them. A metric without a unit is a plain number.
const (
	NS        = "ns"
	Ratio     = "ratio"
	Count     = "count"
	PerSecond = "per_second"
)

// Class decides how the verdict treats a metric.
type Class uint8

const (
	// TimeOrRate metrics mean nothing in seconds in which the load generator was saturated.
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

// Direction is the direction in which a metric gets better.
type Direction = string

const (
	Lower   Direction = reports.Lower
	Higher  Direction = reports.Higher
	Neither Direction = ""
)

// Moment is the part of a fault's time in which a metric is measured, whichever window the gate names.
type Moment uint8

const (
	InScope     Moment = iota // in the gate's own scope
	DuringFault               // while the fault is in force
	AfterFault                // from the fault's end on
)

// The subjects of metrics that are of a part of a stream's operations.
const (
	CodeSubject  = "code"
	StepSubject  = "step"
	CheckSubject = "check"
)

// Metric describes one measurement. A row of a table is complete: all code that handles a metric reads its fields.
type Metric struct {
	// Name without prefix or argument: p99, within, errors, lost, ... Empty: the number of the Subject itself, as in code(NAME).
	Name string
	// Of names the time of a statistic: service, acked, effect, ...; empty for the response time.
	Of string
	// Subject is the kind of thing that the metric is of, where that is a part of the stream which a gate names in parentheses:
	// effect, as in orders.effect(ledger).lost, or code, as in orders.code(timeout). Empty: the stream itself.
	Subject string
	// Base is the full name of the same measurement of the whole stream, of a metric with a Subject.
	Base   string
	Unit   string
	Class  Class
	Better Direction
	// About is the metric's definition in a sentence, for documents.
	About string
	// Argument: the metric takes a time in parentheses, as in within(250ms).
	Argument bool
	// BySecond: the metric is kept for each second, so that gates `in every second` and abort conditions can name it.
	BySecond bool
	// Bounded: a metric that is a plain number is never below 0. The units tell the bounds of all others, see Bounds.
	Bounded bool
	// Cumulative: a gauge that counts since the start and never falls. It is read by how much it rose in the scope.
	Cumulative bool
	Needs      Needs
	At         Moment
	// Instead is the metric that a gate takes in its place, where the metric is known only while a run goes on; empty: the metric itself.
	Instead string
	// Failures: a gate on it notices operations that fail.
	Failures bool
	// Adds: an operation that the load generator did not send might have added to the count.
	Adds bool
	// Anomaly: above 0 it is a defect, which is reported even without a gate.
	Anomaly bool
	// Evidence is the kind of the violations that prove the count; empty when there are none.
	Evidence string
	// Beyond is the reason why a value beyond every measured one violates a gate: operations got no answer. Never is the word
	// in place of such a value: not seen; empty: no answer.
	Beyond, Never string
	// Count returns the count from the record, nil when it was not measured or is not known. It is nil for metrics that the
	// record does not hold as a count.
	Count func(*reports.Measures) *int64
	// Quote returns the record's text about the first anomaly; nil: nothing.
	Quote func(*reports.Measures) string
	// Remark is a note on a count above 0, with or without a gate; nil: none.
	Remark func(stream string, n int64) string
	// Read reads the metric over a scope; nil for gauges, which the judge reads from the record.
	Read func(*Facts) Reading
}

// Full is the name with its prefix, or with its subject, as in effect(NAME).lost.
func (m *Metric) Full() string {
	switch {
	case m.Subject != "" && m.Name == "":
		return m.Subject + "(NAME)"
	case m.Subject != "":
		return m.Subject + "(NAME)." + m.Name
	case m.Of == "":
		return m.Name
	}
	return m.Of + "." + m.Name
}

// Recorded is the name by which checks know the metric, whatever its subject.
func (m *Metric) Recorded() string {
	if m.Base != "" {
		return m.Base
	}
	return m.Full()
}

// Narrow makes the metrics of a subject from those of a whole stream, by their full names. A new name may differ from the old.
func Narrow(subject string, rows []Metric, names map[string]string) []Metric {
	var out []Metric
	for _, m := range rows {
		name, ok := names[m.Full()]
		if !ok {
			continue
		}
		m.Base = m.Full()
		m.Subject, m.Name, m.Of = subject, name, ""
		out = append(out, m)
	}
	return out
}

// Bounds are the lowest and the highest value that the metric can have, ±Inf where there is none.
func (m *Metric) Bounds() (lowest, highest float64) {
	switch {
	case m.Unit == Ratio:
		return 0, 1
	case m.Unit == "" && !m.Bounded:
		return math.Inf(-1), Infinite
	}
	return 0, Infinite
}

// Describe is the record's description of the metric, so that reports of the record need no catalogue.
func (m *Metric) Describe() reports.Described {
	return reports.Described{Name: m.Full(), Unit: m.Unit, Better: m.Better, Anomaly: m.Anomaly, Evidence: m.Evidence, About: m.About}
}

// Facts are the input of a metric: one stream over the scope of one gate.
type Facts struct {
	Metric *Metric
	// Argument of the gate, if the metric takes one.
	Argument time.Duration
	// Part is the part of the stream that the gate names in parentheses, and Index its number among those of the stream.
	Part  string
	Index int
	// Kept holds what the measuring packages keep of the scope beyond the record: a *metrics.Cell, an *effects.Cell. Each
	// metric finds its own by type, see Kept.
	Kept []any
	// Length is the time that Kept covers.
	Length time.Duration
	// Attempts are the most that an operation of the stream can take; 0 where no policy is known.
	Attempts int64
	Stream   *reports.Stream
	// Measures are the scope's measures; nil when its window was not reached.
	Measures *reports.Measures
	// Unknown is the reason why the metric's count is not fully known; empty when it is.
	Unknown string
	// Name of the stream, and the Fault that the gate's window belongs to, among Faults.
	Name, Fault string
	Faults      []reports.Fault
}

// Kept finds the data that a metric's own package keeps of the scope; false when there is none.
func Kept[T any](f *Facts) (kept T, ok bool) {
	for _, k := range f.Kept {
		if kept, ok = k.(T); ok {
			return kept, true
		}
	}
	return kept, false
}

// Reading is the result of reading a metric.
type Reading struct {
	// Value is +Inf if it lies beyond every measured one.
	Value float64
	// Targets is the other end of what the value can have been without the generator's own part: what it did not send met the
	// other fate, and its lag is taken off. A gate is decided only where all between Value and Targets agrees.
	Targets float64
	// Missing is the reason why there is no value; empty when there is one.
	Missing string
	// AtLeast is the reason why the value is only a lower bound; empty when it is exact.
	AtLeast string
	// AtMost is the reason why the value is only an upper bound; empty when it is exact.
	AtMost string
	// Awaited is the time, on the run's clock, until which the measurement was still awaited, beyond its scope. A saturated
	// load generator can have made it late until then. 0: within its scope.
	Awaited time.Duration
}

// MarshalText writes the full name: a metric within other data is written as its name.
func (m *Metric) MarshalText() ([]byte, error) { return []byte(m.Full()), nil }
