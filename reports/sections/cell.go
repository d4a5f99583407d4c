package sections

import "wringer/reports"

// The units of values, as gates write them.
const (
	unitTime  = "ns"
	unitShare = "ratio"
	unitCount = "count"
	unitRate  = "per_second"
)

// state returns the state that the words in place of a figure have; a figure is Plain.
func state(text string) State {
	switch text {
	case reports.NotMeasured:
		return Unmeasured
	case reports.NotKnown:
		return Unknown
	case reports.NoAnswer, reports.NotSeen:
		return Bad
	}
	return Plain
}

// figure is a cell with a text and the value behind it, which may be nil.
func figure(kind Kind, text string, value *float64, unit string) Cell {
	c := Cell{Text: text, Kind: kind, State: state(text)}
	if value != nil {
		c.Value, c.Unit = new(*value), unit
	}
	return c
}

// words is a cell without a value.
func words(text string) Cell { return Cell{Text: text, State: state(text)} }

// count is a cell of a whole number.
func count(n int64) Cell { return figure(Count, reports.Count(n), new(float64(n)), unitCount) }

// counted is a cell of a count that may be absent, with the words in its place.
func counted(n *int64, absent string) Cell {
	if n == nil {
		return figure(Count, absent, nil, unitCount)
	}
	return count(*n)
}

// unwanted is a count that is bad above 0.
func unwanted(n int64) Cell { return count(n).badAboveZero() }

func (c Cell) badAboveZero() Cell {
	if c.Value != nil && *c.Value > 0 {
		c.State = Bad
	}
	return c
}

// duration is a cell of a length of time in nanoseconds, which may be absent.
func duration(ns *float64) Cell {
	return figure(Time, reports.Measured(ns, reports.Duration), ns, unitTime)
}

// percentile is a cell of a percentile of l, which may be nil.
func percentile(l *reports.Latency, of func(*reports.Latency) *float64) Cell {
	if l == nil {
		return duration(nil)
	}
	v := of(l)
	return figure(Time, reports.Percentile(l, v), v, unitTime)
}

// The percentiles of a distribution.
func p50(l *reports.Latency) *float64  { return l.P50 }
func p90(l *reports.Latency) *float64  { return l.P90 }
func p95(l *reports.Latency) *float64  { return l.P95 }
func p99(l *reports.Latency) *float64  { return l.P99 }
func p999(l *reports.Latency) *float64 { return l.P999 }
func most(l *reports.Latency) *float64 { return l.Max }
func least(l *reports.Latency) *float64 {
	return l.Min
}
func mean(l *reports.Latency) *float64 { return l.Mean }

// share is a cell of a ratio from 0 to 1, which may be absent.
func share(ratio *float64) Cell {
	return figure(Share, reports.Measured(ratio, reports.Share), ratio, unitShare)
}

// rate is a cell of a number a second, which may be absent.
func rate(perSecond *float64) Cell {
	return figure(Rate, reports.Measured(perSecond, reports.Rate), perSecond, unitRate)
}

// factor is a cell of a plain number, which may be absent.
func factor(v *float64) Cell { return figure(Factor, reports.Measured(v, reports.Factor), v, "") }

// moment is a cell of a point of the run in nanoseconds, which may be absent.
func moment(ns *int64) Cell {
	c := figure(Moment, reports.Measured(ns, reports.Moment), nil, unitTime)
	if ns != nil {
		c.Value, c.Unit = new(float64(*ns)), unitTime
	}
	return c
}
