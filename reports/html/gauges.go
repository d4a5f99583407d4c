package html

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"wringer/reports"
)

// gaugeChart is one gauge of the target's parts: a line for each part.
type gaugeChart struct {
	ID     string      `json:"id"`
	Of     string      `json:"-"` // whose it is, in words
	Title  string      `json:"-"`
	Note   string      `json:"-"` // what is left out; empty: nothing
	Unit   string      `json:"unit"`
	Step   float64     `json:"step"` // the time of one value
	Time   []float64   `json:"time"` // the beginnings of the times
	Lines  []gaugeLine `json:"lines"`
	Phases []chartBand `json:"phases"`
}

// gaugeLine is one part. A second without a reading is null.
type gaugeLine struct {
	Name   string  `json:"name"`
	Colour string  `json:"colour"`
	Values figures `json:"values"`
}

// drawn are the gauges with a chart, in their order.
var drawn = []struct{ gauge, id, title, unit string }{
	{"cpu_cores", "parts-cpu", "Processors in use", "cores"},
	{"cpu_throttled", "parts-held", "Held back by the limit of processors: seconds a second", "cores"},
	{"memory_bytes", "parts-memory", "Memory in use", "bytes"},
	{"received_bytes_per_second", "parts-received", "Received from the network a second", "bytes"},
	{"sent_bytes_per_second", "parts-sent", "Sent to the network a second", "bytes"},
}

// colours are those of the lines, by the names of the style; there are no more lines.
var colours = []string{"p50", "p99", "acked", "retries", "effect", "errors", "max"}

func gaugeCharts(run *reports.Run) []gaugeChart {
	all := []gaugeChart{}
	for _, d := range drawn {
		names := highest(run, d.gauge)
		if len(names) == 0 || d.gauge == "cpu_throttled" && !anyAbove0(run, d.gauge) {
			continue
		}
		g := newGrid(run.DurationNS)
		c := gaugeChart{ID: d.id, Of: "Parts of the target", Title: d.title, Unit: d.unit, Time: g.time(), Step: g.step(), Lines: []gaugeLine{}, Phases: bands(run, "")}
		if len(names) > len(colours) {
			names, c.Note = names[:len(colours)], "the highest of all parts; the table has the others"
		}
		slices.Sort(names)
		for i, name := range names {
			c.Lines = append(c.Lines, gaugeLine{name, colours[i], g.values(run.Parts[name].Gauges[d.gauge])})
		}
		all = append(all, c)
	}
	return all
}

// drawnOfStreams are the gauges of a stream with a chart, in their order: what is open or waits at a time.
var drawnOfStreams = []struct{ gauge, title string }{
	{"connections", "Open connections"},
	{"in_flight", "Operations in flight"},
	{"unconfirmed", "Messages that the broker has not confirmed"},
	{"awaiting_reply", "Operations that await their reply"},
	{"lag", "Records that the observer has not read"},
	{"group_lag", "Records by which the group is behind"},
	{"group_lag_seconds", "Age of the oldest record that the group has not reached, in seconds"},
	{"depth", "Messages in the queue"},
}

// streamGauges are the charts of a stream's gauges. A gauge that never changed has none: its table tells all.
func streamGauges(run *reports.Run, name, id string) []gaugeChart {
	all := []gaugeChart{}
	for _, d := range drawnOfStreams {
		samples := run.Streams[name].Gauges[d.gauge]
		if !slices.ContainsFunc(samples, func(s reports.Sample) bool { return s.Value != samples[0].Value }) {
			continue
		}
		g := newGrid(run.DurationNS)
		all = append(all, gaugeChart{ID: id + "-" + d.gauge, Of: name, Title: d.title, Time: g.time(), Step: g.step(), Phases: bands(run, name),
			Lines: []gaugeLine{{d.gauge, colours[0], g.values(samples)}}})
	}
	return all
}

// linkCharts are one chart for each link with a witness: its requests and answers by the second in which the request arrived.
func linkCharts(run *reports.Run) []gaugeChart {
	all := []gaugeChart{}
	for i, name := range run.LinkNames() {
		l := run.Links[name]
		if len(l.Seconds) == 0 {
			continue
		}
		c := gaugeChart{ID: "link-" + strconv.Itoa(i), Of: "Links between services", Title: name + ": requests a second", Step: spacing(l.Seconds), Time: []float64{}, Phases: bands(run, "")}
		if l.Unknown != "" {
			c.Note = "at least: a connection could not be read"
		}
		requests, answered := gaugeLine{"requests", "p50", figures{}}, gaugeLine{"answered", "acked", figures{}}
		for j := range l.Seconds {
			row := &l.Seconds[j]
			length := min(seconds(run.DurationNS-row.StartNS), c.Step)
			rate := func(n int64) *float64 {
				v := float64(n)
				if length > 0 {
					v /= length
				}
				return &v
			}
			c.Time = append(c.Time, seconds(row.StartNS))
			requests.Values, answered.Values = append(requests.Values, rate(row.Requests)), append(answered.Values, rate(row.Answered))
		}
		n := pieceOf(len(l.Seconds), pointsOf(len(run.Links)))
		c.Time = thinTimes(c.Time, n, c.Step)
		if n > 1 {
			c.Step *= float64(n) / 2
		}
		requests.Values, answered.Values = requests.Values.thin(n), answered.Values.thin(n)
		c.Lines = []gaugeLine{requests, answered}
		all = append(all, c)
	}
	return all
}

// spacing is the time of one row, in seconds: the shortest between two rows that follow each other.
func spacing(rows []reports.LinkSecond) float64 {
	step := int64(time.Second)
	for i := 1; i < len(rows); i++ {
		gap := rows[i].StartNS - rows[i-1].StartNS
		if i == 1 || gap < step {
			step = gap
		}
	}
	return seconds(max(step, int64(time.Second)))
}

// pointsOfGauge is the most points of a gauge's curve.
const pointsOfGauge = 600

// grid cuts a run into seconds, or into longer pieces of which each has two points.
type grid struct{ length, piece int }

func newGrid(durationNS int64) grid {
	length := int((durationNS + int64(time.Second) - 1) / int64(time.Second))
	return grid{length, pieceOf(length, pointsOfGauge)}
}

// step is the time of one point, in seconds.
func (g grid) step() float64 {
	if g.piece == 1 {
		return 1
	}
	return float64(g.piece) / 2
}

func (g grid) time() []float64 {
	times := make([]float64, 0, pointsOfGauge)
	for at := 0.0; at < float64(g.length); at += g.step() {
		times = append(times, at)
	}
	return times
}

// values puts readings on the grid: the nearest one of each second, or the smallest and the largest of a piece.
func (g grid) values(samples []reports.Sample) figures {
	if g.piece == 1 {
		return bySecond(samples, g.length)
	}
	pieces := make([]figures, (g.length+g.piece-1)/g.piece)
	for i := range samples {
		// A reading is over the second before its time.
		if at := int(seconds(samples[i].AtNS)-1) / g.piece; samples[i].AtNS >= 0 && at < len(pieces) {
			pieces[at] = append(pieces[at], &samples[i].Value)
		}
	}
	out := make(figures, 0, 2*len(pieces))
	for _, p := range pieces {
		low, high := extremes(p)
		out = append(out, low, high)
	}
	return out[:min(len(out), len(g.time()))]
}

// highest lists the parts that have the gauge, those with the highest readings first.
func highest(run *reports.Run, gauge string) []string {
	most := make(map[string]float64)
	for name, p := range run.Parts {
		for _, s := range p.Gauges[gauge] {
			most[name] = max(most[name], s.Value)
		}
	}
	return slices.SortedFunc(maps.Keys(most), func(a, b string) int {
		return cmp.Or(cmp.Compare(most[b], most[a]), cmp.Compare(a, b))
	})
}

func anyAbove0(run *reports.Run, gauge string) bool {
	for _, p := range run.Parts {
		if slices.ContainsFunc(p.Gauges[gauge], func(s reports.Sample) bool { return s.Value > 0 }) {
			return true
		}
	}
	return false
}

// bySecond gives each second the reading nearest to it. A reading is over the second before its time, and stands for no second that it
// does not touch.
func bySecond(samples []reports.Sample, length int) figures {
	out := make(figures, length)
	distance := make([]float64, length)
	for i := range samples {
		start := seconds(samples[i].AtNS) - 1
		for s := int(start) - 1; s <= int(start)+1; s++ {
			away := max(start-float64(s), float64(s)-start)
			if s < 0 || s >= length || away >= 1 || out[s] != nil && distance[s] <= away {
				continue
			}
			out[s], distance[s] = &samples[i].Value, away
		}
	}
	return out
}

// ended are the parts that ended by themselves.
func ended(run *reports.Run) []chartBand {
	all := []chartBand{}
	for i := range run.Findings {
		if f := &run.Findings[i]; f.AtNS != nil && *f.AtNS >= 0 && *f.AtNS <= run.DurationNS {
			at := seconds(*f.AtNS)
			what := " ended"
			if f.Kind == reports.PartStarved {
				what = " was short of memory"
			}
			all = append(all, chartBand{f.Part + what, at, at})
		}
	}
	return all
}
