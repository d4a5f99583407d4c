// Package timeline draws a run as one small picture: each stream a row, with its rate by outcome as an area and its p99 as a line, and the
// faults as bands over all. The SVG runs no script, loads nothing, and is legible on light and on dark pages.
package timeline

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// The measures of the picture, in pixels.
const (
	wide      = 760.0
	left      = 120.0
	right     = 10.0
	rowHigh   = 34.0
	laneHigh  = 15.0
	axisHigh  = 18.0
	mostRows  = 12
	mostLanes = 4
	// mostPoints bounds the points of a row. Of several seconds the worst is drawn.
	mostPoints = 160
)

// The colours are apart for people who do not tell red from green, and legible on white and on black.
const (
	ackedColour = "#4c9be8"
	errorColour = "#d1495b"
	p99Colour   = "#e07b00"
	faultColour = "#b8860b"
	inkColour   = "#7a8490"
)

// Render writes the picture. The same record gives the same bytes.
func Render(w io.Writer, rec *reports.Record) error {
	p := newPicture(rec.Run)
	p.draw(rec.Run)
	_, err := io.WriteString(w, p.String())
	return err
}

// Alt is the picture in words, for those who do not see it.
func Alt(run *reports.Run) string {
	text := fmt.Sprintf("Timeline of %s: %s over %s", run.Name, streamsOf(len(run.Streams)), reports.Duration(float64(run.DurationNS)))
	for i := range run.Faults {
		if f := &run.Faults[i]; !f.NotInjected && i < mostLanes {
			text += fmt.Sprintf("; %s %s", f.Title(), reports.Span(f.StartNS, f.EndNS))
		}
	}
	return sections.OneLine(text)
}

type picture struct {
	bytes.Buffer
	length float64 // of the run, in seconds
	names  []string
	lanes  []int // of each fault
	top    float64
	high   float64
}

func newPicture(run *reports.Run) *picture {
	p := &picture{length: float64(run.DurationNS) / 1e9}
	for _, name := range run.StreamNames() {
		if s := run.Streams[name]; !s.Consumes() && len(p.names) < mostRows {
			p.names = append(p.names, name)
		}
	}
	count := 0
	p.lanes, count = lanes(run.Faults)
	p.top = float64(count)*laneHigh + 4
	p.high = p.top + float64(len(p.names))*rowHigh + axisHigh
	return p
}

// lanes puts faults that overlap, or whose names would, into lanes of their own. One that was not injected has none: -1.
func lanes(faults []reports.Fault) (of []int, count int) {
	var until [mostLanes]int64
	for i := range faults {
		f := &faults[i]
		of = append(of, -1)
		if f.NotInjected {
			continue
		}
		lane := 0
		for lane < mostLanes-1 && until[lane] > f.StartNS {
			lane++
		}
		of[i], until[lane] = lane, f.EndNS
		count = max(count, lane+1)
	}
	return of, count
}

// x is the place of a moment of the run.
func (p *picture) x(seconds float64) float64 {
	if !(p.length > 0) {
		return left
	}
	return round(left + min(max(seconds/p.length, 0), 1)*(wide-left-right))
}

func round(v float64) float64 { return math.Round(v*10) / 10 }

func (p *picture) printf(format string, a ...any) { fmt.Fprintf(&p.Buffer, format, a...) }

func (p *picture) draw(run *reports.Run) {
	p.printf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" font-family="sans-serif" font-size="11"><title>%s</title>`,
		wide, p.high, wide, p.high, escaped(Alt(run)))
	for i := range run.Faults {
		if p.lanes[i] >= 0 {
			p.fault(&run.Faults[i], p.lanes[i])
		}
	}
	for i, name := range p.names {
		p.row(run.Streams[name], name, p.top+float64(i)*rowHigh)
	}
	p.axis()
	p.printf("</svg>\n")
}

// fault is a band over all rows, with its name above them.
func (p *picture) fault(f *reports.Fault, lane int) {
	from, to := p.x(float64(f.StartNS)/1e9), p.x(float64(f.EndNS)/1e9)
	width := max(round(to-from), 1)
	top := float64(lane) * laneHigh
	p.printf(`<rect x="%g" y="%g" width="%g" height="%g" fill="%s" opacity="0.16"/>`, from, p.top, width, p.high-p.top-axisHigh, faultColour)
	p.printf(`<rect x="%g" y="%g" width="%g" height="3" fill="%s"/>`, from, top+laneHigh-3, width, faultColour)
	anchor, at := "start", from
	if from > wide*0.75 {
		anchor, at = "end", from+width
	}
	p.printf(`<text x="%g" y="%g" fill="%s" text-anchor="%s">%s</text>`, at, top+laneHigh-5, faultColour, anchor, escaped(clip(f.Title(), 40)))
}

// row is a stream: what was acked and what was not, as areas upon each other, and p99 as a line over them.
func (p *picture) row(s *reports.Stream, name string, top float64) {
	base := top + rowHigh - 4
	p.printf(`<text x="%g" y="%g" fill="%s" text-anchor="end">%s</text>`, left-8, top+rowHigh/2+4, inkColour, escaped(clip(name, 18)))
	points := fold(s, p.length)
	most, slowest, fastest := 1.0, 0.0, math.Inf(1)
	for _, q := range points {
		most, slowest = max(most, q.acked+q.failed), max(slowest, q.p99)
		if q.p99 > 0 {
			fastest = min(fastest, q.p99)
		}
	}
	y := func(share float64) float64 { return round(base - share*(rowHigh-8)) }
	area := func(of func(point) float64) string {
		var b strings.Builder
		for i, q := range points {
			at := y(of(q) / most)
			if i == 0 {
				fmt.Fprintf(&b, "M%g %g", p.x(q.from), base)
			}
			fmt.Fprintf(&b, "L%g %gL%g %g", p.x(q.from), at, p.x(q.to), at)
		}
		if len(points) > 0 {
			fmt.Fprintf(&b, "L%g %gZ", p.x(points[len(points)-1].to), base)
		}
		return b.String()
	}
	p.printf(`<path d="%s" fill="%s" opacity="0.75"/>`, area(func(q point) float64 { return q.acked + q.failed }), errorColour)
	p.printf(`<path d="%s" fill="%s" opacity="0.6"/>`, area(func(q point) float64 { return q.acked }), ackedColour)
	if slowest > 0 {
		p.line(points, y, fastest, max(slowest, 10*fastest)) // a decade at least: noise is no mountain
	}
	p.printf(`<path d="M%g %gH%g" stroke="%s" stroke-width="0.5"/>`, left, base, wide-right, inkColour)
}

// line is p99, on a logarithmic scale from the fastest second to the slowest. Seconds in which p99 got no answer are a gap.
func (p *picture) line(points []point, y func(float64) float64, fastest, slowest float64) {
	var b strings.Builder
	pen := false
	for _, q := range points {
		if q.p99 <= 0 {
			pen = false
			continue
		}
		share := 0.1
		if slowest > fastest {
			share = 0.1 + 0.85*math.Log(q.p99/fastest)/math.Log(slowest/fastest)
		}
		command := "M"
		if pen {
			command = "L"
		}
		fmt.Fprintf(&b, "%s%g %gH%g", command, p.x(q.from), y(share), p.x(q.to))
		pen = true
	}
	p.printf(`<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`, b.String(), p99Colour)
}

// axis names some moments.
func (p *picture) axis() {
	if !(p.length > 0) {
		return
	}
	step := math.Pow(10, math.Floor(math.Log10(p.length/4)))
	for _, by := range []float64{5, 2} {
		if p.length/(step*by) >= 4 {
			step *= by
			break
		}
	}
	for at := 0.0; at <= p.length*1.0001 && at/step < 50; at += step {
		p.printf(`<text x="%g" y="%g" fill="%s" text-anchor="middle">%s</text>`, p.x(at), p.high-5, inkColour, reports.Duration(at*1e9))
	}
}

// point is one or several seconds of a stream: operations a second, and the highest p99 in nanoseconds.
type point struct{ from, to, acked, failed, p99 float64 }

func fold(s *reports.Stream, length float64) []point {
	each := 1.0
	if s.ResolutionNS > 0 {
		each = float64(s.ResolutionNS) / 1e9
	}
	per := max(1, int(math.Ceil(float64(len(s.Seconds))/mostPoints)))
	var all []point
	for i := range s.Seconds {
		row := &s.Seconds[i]
		start := float64(row.StartNS) / 1e9
		if i%per == 0 {
			all = append(all, point{from: start})
		}
		q := &all[len(all)-1]
		q.to = min(start+each, max(length, start))
		q.acked += float64(row.Acked)
		q.failed += float64(row.Offered - row.Acked)
		if row.P99NS != nil {
			q.p99 = max(q.p99, float64(*row.P99NS))
		}
	}
	for i := range all {
		n := float64(min(per, len(s.Seconds)-i*per)) * each
		all[i].acked, all[i].failed = all[i].acked/n, max(all[i].failed/n, 0)
	}
	return all
}

// escaped is a text for XML, on one line.
func escaped(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(sections.OneLine(text))) // a buffer takes all
	return b.String()
}

func clip(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

func streamsOf(n int) string {
	if n == 1 {
		return "1 stream"
	}
	return fmt.Sprintf("%d streams", n)
}
