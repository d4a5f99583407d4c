package metric

import (
	"fmt"
	"math"

	"wringer/reports"
)

// Infinite is a value beyond every measured one.
var Infinite = math.Inf(1)

// Found is a reading in which the load generator had no part.
func Found(v float64) Reading { return Reading{Value: v, Targets: v} }

// Missing is a reading without a value.
func Missing(format string, a ...any) Reading { return Reading{Missing: fmt.Sprintf(format, a...)} }

// The reasons why a count has no value.
const (
	NotKnown   = "not known"
	NotReached = "the window was not reached"
)

// Counts completes the rows of counts in the record: each is read by its Count. untested returns the reason why a count shows
// nothing, because nothing was tested; empty otherwise.
func Counts(rows []Metric, untested func(f *Facts, n int64) string) []Metric {
	for i := range rows {
		m := &rows[i]
		m.Unit, m.Class = Count, Integrity
		if m.Count == nil {
			name := m.Name
			m.Count = func(of *reports.Measures) *int64 { return of.Count(name) }
		}
		if d, ok := reports.Describe(m.Name); ok {
			m.Anomaly, m.Evidence = d.Anomaly, d.Evidence
		}
		m.Read = func(f *Facts) Reading { return readCount(f, untested) }
	}
	return rows
}

// readCount reads a count from the record. A count that is not fully known is a lower bound.
func readCount(f *Facts, untested func(f *Facts, n int64) string) Reading {
	if f.Measures == nil {
		return Missing(NotReached)
	}
	n := f.Metric.Count(f.Measures)
	if n == nil {
		if f.Unknown != "" {
			return Missing("%s: %s", NotKnown, f.Unknown)
		}
		return Missing(NotKnown)
	}
	r := Found(float64(*n))
	if f.Metric.Adds {
		r.Targets += float64(f.Measures.DroppedByUs * max(f.Attempts, 1))
	}
	if why := untested(f, *n); why != "" {
		r = Missing("%s", why)
	}
	r.AtLeast = f.Unknown
	return r
}

// Zero reports whether a count is 0 or absent.
func Zero(n *int64) bool { return n == nil || *n == 0 }

// Statistic is one way to sum up a distribution of times.
type Statistic struct {
	Name string
	// Quantile from 0 to 1, the nearest rank. 0 is the mean.
	Quantile float64
	about    string
}

// statistics are those of every time.
var statistics = []Statistic{
	{"p50", 0.5, "The median"}, {"p90", 0.9, "The 90th percentile"}, {"p95", 0.95, "The 95th percentile"}, {"p99", 0.99, "The 99th percentile"},
	{"p999", 0.999, "The 99.9th percentile"}, {"max", 1, "The longest"}, {"mean", 0, "The mean"},
}

// Times makes the rows of a time, one for each statistic. row holds their common fields; its About continues the name of the
// statistic: "of the response time".
func Times(row Metric, read func(f *Facts, s Statistic) Reading) []Metric {
	var rows []Metric
	for _, s := range statistics {
		m := row
		m.Name, m.Unit, m.Class, m.Better = s.Name, NS, TimeOrRate, Lower
		m.About = s.about + " " + row.About
		m.Read = func(f *Facts) Reading { return read(f, s) }
		rows = append(rows, m)
	}
	return rows
}
