package scenarios

import "time"

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
	// Of is "" (response time), "service" or "acked", for latency metrics.
	Of string
	// Within is the argument of within(250ms).
	Within time.Duration
	// Unit: ns, ratio, count, per_second, or empty (amplification, gauges).
	Unit string
	// Class tells how the verdict treats it.
	Class Class
}

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
