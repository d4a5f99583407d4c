package html

import (
	"math"
	"strconv"
	"strings"

	"wringer/reports"
)

// The size of a small picture, in its own units; the page stretches it.
const (
	sparkWidth  = 320.0
	sparkHeight = 60.0
	sparkPoints = 160
)

// spark is the small picture of a gate: the curve of what it looks at, its limit, and the window in which it is judged.
type spark struct {
	Line string // the points of the curve, as the path's data
	Bars []box  // in place of a curve: what each window counts
	// Windows are the times in which the gate is judged; none: the whole run.
	Windows []box
	Limit   string // the limit's height; empty: it does not lie in the picture
	Words   string // what is drawn, and from where to where
}

type box struct{ X, Y, Width, Height string }

// curve is a measurement by the second.
type curve struct {
	words  string
	unit   string // as of gates
	log    bool
	at     []float64
	values figures
}

// newSpark draws the curve of a gate; nil when the record holds none.
func newSpark(run *reports.Run, g *reports.Gate) *spark {
	s := &spark{}
	if g.Window != nil {
		for _, w := range run.WindowsOf(g.Stream) {
			if w.Covers(*g.Window) {
				s.Windows = append(s.Windows, span(run, w.StartNS, w.EndNS, 0, sparkHeight))
			}
		}
	}
	if c := curveOf(run, g); c != nil {
		return s.draw(run, c, g)
	}
	return s.count(run, g)
}

// draw draws a curve; nil when it has no values.
func (s *spark) draw(run *reports.Run, c *curve, g *reports.Gate) *spark {
	low, high := bounds(c.values)
	if low > high {
		return nil
	}
	s.Words = c.words + ", " + reports.Value(low, c.unit) + " to " + reports.Value(high, c.unit)
	limited := g.Limit != nil && g.Unit == c.unit && (!c.log || *g.Limit > 0)
	if limited {
		low, high = min(low, *g.Limit), max(high, *g.Limit)
	}
	scale := func(v float64) float64 { return v }
	if c.log {
		low, scale = max(low, 1), func(v float64) float64 { return math.Log(max(v, 1)) }
	} else {
		low = min(low, 0)
	}
	y := func(v float64) float64 {
		if scale(high) == scale(low) {
			return sparkHeight / 2
		}
		return sparkHeight - 4 - (scale(v)-scale(low))/(scale(high)-scale(low))*(sparkHeight-8)
	}
	if limited {
		s.Limit = number(y(*g.Limit))
	}
	s.Line = path(run, c, y)
	return s
}

// path is the curve's line. It is interrupted where there is no value.
func path(run *reports.Run, c *curve, y func(float64) float64) string {
	var b strings.Builder
	n := pieceOf(len(c.values), sparkPoints)
	at, values, on := thinTimes(c.at, n, 1), c.values.thin(n), false
	for i, v := range values {
		if v == nil {
			on = false
			continue
		}
		if on {
			b.WriteByte('L')
		} else {
			b.WriteByte('M')
		}
		x := number(at[i] / seconds(max(run.DurationNS, 1)) * sparkWidth)
		b.WriteString(x + " " + number(y(*v)))
		if !on { // a value alone is a dot
			b.WriteString("h.5")
		}
		on = true
	}
	return b.String()
}

// count draws what each window counts as a bar; nil when the metric is no count of windows.
func (s *spark) count(run *reports.Run, g *reports.Gate) *spark {
	of := counts(run, g)
	most, found := int64(0), false
	for _, w := range run.WindowNames() {
		if n := of(w); n != nil {
			most, found = max(most, *n), true
		}
	}
	if !found {
		return nil
	}
	for _, w := range run.WindowsOf(g.Stream) {
		if n := of(w.Name); n != nil && *n > 0 {
			height := float64(*n) / float64(most) * (sparkHeight - 8)
			s.Bars = append(s.Bars, span(run, w.StartNS, w.EndNS, sparkHeight-height, height))
		}
	}
	s.Words = "by window, at most " + reports.Count(most)
	return s
}

// counts reads a gate's metric of each window, of a stream, of one place of its effects, or of a link. nil: it is no count.
func counts(run *reports.Run, g *reports.Gate) func(window string) *int64 {
	name, subject := baseOf(g.Metric), subjectOf(g.Metric)
	if l := run.Links[subject]; l != nil {
		return func(window string) *int64 { return linkCount(l.Windows[window], name) }
	}
	stream := run.Streams[g.Stream]
	if stream == nil {
		return func(string) *int64 { return nil }
	}
	for i := range stream.Places {
		if p := &stream.Places[i]; p.Name == subject {
			return func(window string) *int64 {
				if m := p.Windows[window]; m != nil {
					return m.Integrity.Count(name)
				}
				return nil
			}
		}
	}
	return func(window string) *int64 { return stream.Windows[window].Count(name) }
}

func linkCount(m *reports.LinkMeasures, name string) *int64 {
	if m == nil {
		return nil
	}
	return map[string]*int64{"requests": m.Requests, "requests_cut": m.RequestsCut, "answered": m.Answered, "arrived_twice": m.ArrivedTwice, "unidentified": m.Unidentified}[name]
}

// subjectOf is the NAME of link(NAME).metric and effect(NAME).metric; empty for any other.
func subjectOf(metric string) string {
	open, end := strings.IndexByte(metric, '('), strings.LastIndex(metric, ").")
	if open < 0 || end < open {
		return ""
	}
	return metric[open+1 : end]
}

// span is the box of a part of the run. What is short can be seen all the same.
func span(run *reports.Run, from, to int64, top, height float64) box {
	scale := sparkWidth / seconds(max(run.DurationNS, 1))
	x := min(seconds(from)*scale, sparkWidth-2)
	width := min(max(seconds(to-from)*scale, 2), sparkWidth-x)
	return box{number(x), number(top), number(width), number(height)}
}

// baseOf is a metric's name without its subject and prefix: lost of effect(ledger).lost.
func baseOf(metric string) string {
	name, _, _ := strings.Cut(metric[strings.LastIndexByte(metric, '.')+1:], "(")
	return name
}

// curveOf is the curve that tells most about a gate; nil when none does.
func curveOf(run *reports.Run, g *reports.Gate) *curve {
	if name, ok := reports.ObservedIn(g); ok {
		_, one := run.ObservedBy(name)
		if one == nil {
			return nil
		}
		return observedCurve(name, one, run.DurationNS)
	}
	if l := run.Links[subjectOf(g.Metric)]; l != nil {
		if linkCount(&l.Total, baseOf(g.Metric)) != nil {
			return nil // each window has its count
		}
		return linkCurve(l)
	}
	s := run.Streams[g.Stream]
	if s == nil || len(s.Seconds) == 0 || s.Consumes() {
		return nil
	}
	name := baseOf(g.Metric)
	switch {
	case strings.HasPrefix(g.Metric, "effect") && g.Unit == "ns":
		return rowsOf(s, "p99 of the time to the effect", "ns", func(r *reports.Second) *float64 { return float(r.EffectP99NS) })
	case name == "p50":
		return rowsOf(s, "p50 of the response time", "ns", func(r *reports.Second) *float64 { return float(r.P50NS) })
	case name == "max":
		return rowsOf(s, "slowest answer", "ns", func(r *reports.Second) *float64 { return float(r.MaxNS) })
	case g.Unit == "ns" && (name != "recovery" && name != "detection" || s.Total.ErrorShare() == nil || *s.Total.ErrorShare() == 0), name == "within":
		return rowsOf(s, "p99 of the response time", "ns", func(r *reports.Second) *float64 { return float(r.P99NS) })
	case g.Unit == "ns", g.Unit == "ratio":
		return rowsOf(s, "share of errors", "ratio", errorsOf)
	case name == "rate":
		return rowsOf(s, "acked a second", "per_second", func(r *reports.Second) *float64 { return perSecond(run, r, s.ResolutionNS)(r.Acked) })
	case name == "amplification":
		return rowsOf(s, "attempts for each operation", "", func(r *reports.Second) *float64 { return ratio(r.Attempts, r.Sent) })
	}
	return nil
}

func rowsOf(s *reports.Stream, words, unit string, of func(*reports.Second) *float64) *curve {
	c := &curve{words: words, unit: unit, log: unit == "ns"}
	for i := range s.Seconds {
		c.at, c.values = append(c.at, seconds(s.Seconds[i].StartNS)), append(c.values, of(&s.Seconds[i]))
	}
	return c
}

func linkCurve(l *reports.Link) *curve {
	c, step := &curve{words: "requests a second", unit: "per_second"}, spacing(l.Seconds)
	for i := range l.Seconds {
		v := float64(l.Seconds[i].Requests) / step
		c.at, c.values = append(c.at, seconds(l.Seconds[i].StartNS)), append(c.values, &v)
	}
	return c
}

// errorsOf is the share of a second's operations that were not acked.
func errorsOf(r *reports.Second) *float64 {
	return (&reports.Measures{Counts: r.Counts}).ErrorShare()
}

func ratio(part, whole int64) *float64 {
	if whole == 0 {
		return nil
	}
	v := float64(part) / float64(whole)
	return &v
}

func float(ns *int64) *float64 {
	if ns == nil {
		return nil
	}
	v := float64(*ns)
	return &v
}

// bounds are the smallest and the largest value; the first is above the second when there is none.
func bounds(values figures) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if v != nil {
			low, high = min(low, *v), max(high, *v)
		}
	}
	return low, high
}

// number is a coordinate of a picture.
func number(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
