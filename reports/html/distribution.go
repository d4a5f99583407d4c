package html

import (
	"cmp"
	"math"
	"slices"

	"wringer/reports"
)

// distribution is the chart of a stream's response times by percentile: a line for the baseline and for each fault's window; nil
// without any answer. Its time is -log10(1 - percentile), so that each further nine takes as much room.
func distribution(run *reports.Run, name, id string) *gaugeChart {
	s := run.Streams[name]
	c := &gaugeChart{ID: id + "-percentiles", Of: name, Title: "Response time by percentile", Unit: "percentiles", Step: 1, Phases: []chartBand{}}
	type line struct {
		name   string
		points []percentilePoint
	}
	var lines []line
	for _, window := range compared(run, name) {
		if points := percentilePoints(s.Windows[window]); len(points) > 0 {
			lines = append(lines, line{window, points})
		}
	}
	if len(lines) == 0 {
		if points := percentilePoints(&s.Total); len(points) > 0 {
			lines = append(lines, line{"the whole run", points})
		}
	}
	if len(lines) > len(colours) {
		lines, c.Note = lines[:len(colours)], "the first windows; the table has the others"
	}
	for _, l := range lines {
		for _, p := range l.points {
			if !slices.Contains(c.Time, p.x) {
				c.Time = append(c.Time, p.x)
			}
		}
	}
	slices.Sort(c.Time)
	for i, l := range lines {
		values := make(figures, len(c.Time))
		for _, p := range l.points {
			values[slices.Index(c.Time, p.x)] = &p.ms
		}
		c.Lines = append(c.Lines, gaugeLine{l.name, colours[i], values})
	}
	if len(c.Lines) == 0 {
		return nil
	}
	return c
}

// compared are the windows that a distribution shows: the baseline, and those of faults.
func compared(run *reports.Run, stream string) []string {
	var all []string
	for _, w := range run.WindowsOf(stream) {
		if (w.Name == "baseline" || w.Fault != nil) && !slices.Contains(all, w.Name) {
			all = append(all, w.Name)
		}
	}
	return all
}

type percentilePoint struct{ x, ms float64 }

// percentilePoints are the known percentiles of a window. Those that fall among operations without an answer are not among them.
func percentilePoints(m *reports.Measures) []percentilePoint {
	if m == nil || m.Response == nil || m.Offered == 0 {
		return nil
	}
	l := m.Response
	var all []percentilePoint
	add := func(q float64, ns *float64) {
		if ns != nil && q < 1 {
			all = append(all, percentilePoint{math.Round(-math.Log10(1-q)*1e4) / 1e4, *ns / 1e6})
		}
	}
	add(0, l.Min)
	add(0.5, l.P50)
	add(0.9, l.P90)
	add(0.95, l.P95)
	add(0.99, l.P99)
	add(0.999, l.P999)
	for i := range m.Spread {
		add(m.Spread[i].Percent/100, &m.Spread[i].NS)
	}
	if l.Unanswered == nil || *l.Unanswered == 0 {
		add(1-1/float64(2*m.Offered), l.Max)
	}
	slices.SortFunc(all, func(a, b percentilePoint) int { return cmp.Compare(a.x, b.x) })
	return all
}
