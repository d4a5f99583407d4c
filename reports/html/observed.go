package html

import (
	"fmt"
	"slices"
	"strconv"

	"wringer/reports"
)

// The most series of the target with a chart, and with a row in the timeline.
const (
	mostObserved     = 40
	mostObservedRows = 8
)

// observedSeries lists the series of the target, those that gates are about first.
func observedSeries(run *reports.Run) []string {
	gated := func(name string) bool {
		return slices.ContainsFunc(run.Gates, func(g reports.Gate) bool {
			of, ok := reports.ObservedIn(&g)
			return ok && of == name
		})
	}
	names := run.ObservedNames()
	slices.SortStableFunc(names, func(a, b string) int { return bit(gated(b)) - bit(gated(a)) })
	return names
}

func observedID(i int) string { return "observed-" + strconv.Itoa(i) }

// observedCharts are one chart for each of the first series.
func observedCharts(run *reports.Run) []gaugeChart {
	all := []gaugeChart{}
	names := observedSeries(run)
	for i, name := range names {
		if i == mostObserved {
			break
		}
		entry, one := run.ObservedBy(name)
		g := newGrid(run.DurationNS)
		c := gaugeChart{ID: observedID(i), Of: "The target", Title: name, Time: g.time(), Step: g.step(), Phases: bands(run, ""),
			Lines: []gaugeLine{{name, "effect", g.values(shifted(one.Samples))}}}
		if one.Counter {
			c.Unit, c.Title = "rate", name+", a second"
		}
		if missed := entry.Failed + one.Missing; missed > 0 {
			c.Note = reports.Counted(missed, "reading") + " missing"
		}
		all = append(all, c)
	}
	return all
}

// shifted moves readings by a second: a reading is the last of its second, and a chart takes it for one over the second before it.
func shifted(samples []reports.Sample) []reports.Sample {
	out := make([]reports.Sample, len(samples))
	for i, s := range samples {
		out[i] = reports.Sample{AtNS: (s.AtNS/1e9 + 1) * 1e9, Value: s.Value}
	}
	return out
}

// observedRows are the rows of the timeline for the first series, and how many have none.
func observedRows(run *reports.Run) (rows []track, more int) {
	names := observedSeries(run)
	for i, name := range names {
		if i == mostObservedRows {
			return rows, len(names) - i
		}
		about := "of the target"
		if _, one := run.ObservedBy(name); one.Counter {
			about = "of the target, a second"
		}
		rows = append(rows, track{observedID(i), "series", name, about, "#observed", nil})
	}
	return rows, 0
}

// moreObserved tells of series without a chart; empty: each has one.
func moreObserved(run *reports.Run) string {
	if more := len(run.ObservedNames()) - mostObserved; more > 0 {
		return fmt.Sprintf("%d further series have no chart; the table has them", more)
	}
	return ""
}

// observedCurve is the curve of a series.
func observedCurve(name string, one *reports.ObservedSeries, end int64) *curve {
	c := &curve{words: name}
	if one.Counter {
		c.words, c.unit = name+" a second", "per_second"
	}
	for i := range one.Samples {
		if s := &one.Samples[i]; s.AtNS < end {
			c.at, c.values = append(c.at, seconds(s.AtNS)), append(c.values, &s.Value)
		}
	}
	return c
}
