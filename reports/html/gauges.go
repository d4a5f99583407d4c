package html

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"wringer/reports"
)

// gaugeChart is one gauge of the target's parts: a line for each part.
type gaugeChart struct {
	ID     string      `json:"id"`
	Title  string      `json:"-"`
	Note   string      `json:"-"` // what is left out; empty: nothing
	Unit   string      `json:"unit"`
	Time   []float64   `json:"time"` // the beginnings of the seconds
	Lines  []gaugeLine `json:"lines"`
	Phases []chartBand `json:"phases"`
}

// gaugeLine is one part. A second without a reading is null.
type gaugeLine struct {
	Name   string     `json:"name"`
	Colour string     `json:"colour"`
	Values []*float64 `json:"values"`
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
		c := gaugeChart{ID: d.id, Title: d.title, Unit: d.unit, Time: []float64{}, Lines: []gaugeLine{}, Phases: bands(run, "")}
		names := highest(run, d.gauge)
		if len(names) == 0 || d.gauge == "cpu_throttled" && !anyAbove0(run, d.gauge) {
			continue
		}
		if len(names) > len(colours) {
			names, c.Note = names[:len(colours)], "the highest of all parts; the table has the others"
		}
		slices.Sort(names)
		for start := int64(0); start < run.DurationNS; start += int64(time.Second) {
			c.Time = append(c.Time, seconds(start))
		}
		for i, name := range names {
			c.Lines = append(c.Lines, gaugeLine{name, colours[i], bySecond(run.Parts[name].Gauges[d.gauge], len(c.Time))})
		}
		all = append(all, c)
	}
	return all
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
func bySecond(samples []reports.Sample, length int) []*float64 {
	out := make([]*float64, length)
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
			all = append(all, chartBand{f.Part + " ended", at, at})
		}
	}
	return all
}
