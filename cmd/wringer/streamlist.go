package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/scenarios/runner"
)

// column is a column of the streams' table.
type column struct {
	head  string
	width int // in characters; below 0: aligned to the left
	text  func(s *runner.StreamProgress) string
}

// The widths of the small curves.
const leastCurve, mostCurve = 6, 24

// columns are those for which a terminal has room: the last seconds as small curves first, then the numbers beside.
func (s *scene) columns(width int) []column {
	curve := func(of func(*recent) []float64) func(*runner.StreamProgress) string {
		return func(p *runner.StreamProgress) string {
			if s.past[p.Name] == nil {
				return ""
			}
			return bars(of(s.past[p.Name]), mostCurve)
		}
	}
	all := []column{
		{"stream", -14, func(p *runner.StreamProgress) string { return clip(p.Name, 14) }},
		{"rate", 9, func(p *runner.StreamProgress) string { return reports.Count(p.Last.Acked) + "/s" }},
		{"", leastCurve, curve(func(p *recent) []float64 { return p.rate })},
		{"p99", 10, func(p *runner.StreamProgress) string { return p99(&p.Last) }},
		{"", leastCurve, curve(func(p *recent) []float64 { return p.times })},
		{"errors", 8, func(p *runner.StreamProgress) string { return reports.Share(errorShare(&p.Last)) }},
	}
	left := width
	for _, c := range all {
		left -= max(c.width, -c.width) + 1
	}
	for _, c := range []column{
		{"unseen", 9, func(p *runner.StreamProgress) string {
			if !p.Observed {
				return "-"
			}
			return reports.Count(p.Unseen)
		}},
		{"in flight", 9, func(p *runner.StreamProgress) string { return fmt.Sprint(p.InFlight) }},
		{"retries", 8, func(p *runner.StreamProgress) string { return fmt.Sprint(p.Last.Retries) }},
	} {
		if left >= c.width+1 {
			all, left = append(all, c), left-c.width-1
		}
	}
	wider := min(max(left, 0)/2, mostCurve-leastCurve)
	all[2].width, all[4].width = leastCurve+wider, leastCurve+wider
	return all
}

// line joins cells.
func line(all []column, cell func(column) string) string {
	var parts []string
	for _, c := range all {
		text := []rune(cell(c))
		if c.head == "" && len(text) > c.width { // of a curve, the last seconds
			text = text[len(text)-c.width:]
		}
		parts = append(parts, fmt.Sprintf("%*s", c.width, string(text)))
	}
	return strings.Join(parts, " ")
}

// streams lists the streams on so many lines, with the head. Where there are more, those in trouble come first, and the rest is one line.
func (s *scene) streams(p *pen, lines int) {
	all := s.columns(p.width)
	p.add(line(all, func(c column) string { return c.head }), faint)
	listed, folded := s.listed(lines - 1)
	for i := range listed {
		of := &listed[i]
		text := line(all, func(c column) string { return c.text(of) })
		if s.run.Streams[of.Name].Consumes() {
			text = fmt.Sprintf("%-14s %s seen", clip(of.Name, 14), reports.Count(of.Seen))
		}
		look := style{}
		if s.failing(of) {
			look = alarm
		}
		if of.Name == s.chosen {
			look = reverse
		}
		p.add(text, look)
	}
	if len(folded) > 0 {
		p.add(s.rest(folded), faint)
	}
}

// listed are the streams with a line of their own, of so many lines, and the others.
func (s *scene) listed(lines int) (listed, folded []runner.StreamProgress) {
	all := s.progress.Streams
	if len(all) <= lines {
		return all, nil
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b runner.StreamProgress) int { return cmp.Compare(s.trouble(&b), s.trouble(&a)) })
	lines = max(lines-1, 1)
	if at := slices.IndexFunc(all, func(p runner.StreamProgress) bool { return p.Name == s.chosen }); at >= lines {
		chosen := all[at]
		all = slices.Insert(slices.Delete(all, at, at+1), lines-1, chosen)
	}
	return all[:lines], all[lines:]
}

// rest tells of the streams without a line of their own.
func (s *scene) rest(folded []runner.StreamProgress) string {
	troubled := 0
	for i := range folded {
		if s.trouble(&folded[i]) > 0 {
			troubled++
		}
	}
	switch {
	case troubled > 0:
		return fmt.Sprintf("%d more streams, %d of them with errors or a violated gate", len(folded), troubled)
	case len(folded) == 1:
		return "1 more stream: nothing unusual"
	}
	return fmt.Sprintf("%d more streams: nothing unusual", len(folded))
}

// failing says that operations of the last second failed.
func (s *scene) failing(p *runner.StreamProgress) bool {
	return !s.run.Streams[p.Name].Consumes() && errorShare(&p.Last) > 0
}

// trouble ranks a stream: errors now, a violated gate, errors earlier; 0 for none.
func (s *scene) trouble(p *runner.StreamProgress) int {
	violated := func(g reports.Gate) bool { return g.Stream == p.Name && g.Verdict == reports.Fail }
	switch {
	case s.failing(p):
		return 3
	case slices.ContainsFunc(s.run.Gates, violated):
		return 2
	case len(s.run.Streams[p.Name].Total.Errors) > 0:
		return 1
	}
	return 0
}
