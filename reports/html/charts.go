package html

import (
	"cmp"
	"time"

	"wringer/reports"
)

// charts is the data of every chart, read by the page's script. Times are seconds from the end of the warm-up, response
// times milliseconds, rates a second.
type charts struct {
	Length  float64       `json:"length"`
	Faults  []chartBand   `json:"faults"`
	Phases  []chartBand   `json:"phases"` // of the run, no stream's
	Streams []chartStream `json:"streams"`
	// Ended are the parts that ended by themselves, at their times.
	Ended  []chartBand  `json:"ended"`
	Gauges []gaugeChart `json:"gauges"`
	Links  []gaugeChart `json:"links"`
	// Observed are the series of the target.
	Observed []gaugeChart `json:"observed"`
	// StreamGauges are those of drivers, sources and groups; Spreads the distributions; Parts the rows of the timeline.
	StreamGauges []gaugeChart  `json:"streamGauges"`
	Spreads      []gaugeChart  `json:"spreads"`
	Parts        []gaugeChart  `json:"parts"`
	Heats        []heatChart   `json:"heats"`
	Picture      *pictureState `json:"picture,omitempty"`
}

// chartBand is a fault, a phase or a step as it is drawn.
type chartBand struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// chartStream holds one value for each row of the stream's record, or two for each piece of several rows.
type chartStream struct {
	ID      string    `json:"id"`
	Step    float64   `json:"step"` // the time of one value
	Time    []float64 `json:"time"`
	P50     figures   `json:"p50"`
	P99     figures   `json:"p99"`
	Max     figures   `json:"max"`
	Effect  figures   `json:"effect"` // p99 of the time to the effect; empty if not measured
	Offered figures   `json:"offered"`
	Acked   figures   `json:"acked"`
	Errors  figures   `json:"errors"`
	Retries figures   `json:"retries"`
	// Hung is 0 where every percentile was answered, 1 where p99 falls among operations without an answer, 2 where p50
	// does too.
	Hung marks `json:"hung"`
	// Limited is 1 where the load generator was saturated.
	Limited marks `json:"limited"`
	// Busy is 1 where the machine was the limit.
	Busy marks `json:"busy"`
	// Phases are those of the run, and the named steps of this stream's rate.
	Phases []chartBand `json:"phases"`
	// Blocks are the times in which the target blocked a connection of this stream.
	Blocks []chartBand `json:"blocks"`
}

func newCharts(run *reports.Run) charts {
	c := charts{Length: seconds(run.DurationNS), Faults: []chartBand{}, Phases: phases(run), Streams: []chartStream{}, Ended: ended(run), Gauges: gaugeCharts(run), Links: linkCharts(run), Observed: observedCharts(run),
		StreamGauges: []gaugeChart{}, Spreads: []gaugeChart{}, Parts: []gaugeChart{}, Heats: []heatChart{}}
	for i := range run.Faults {
		if f := &run.Faults[i]; !f.NotInjected {
			c.Faults = append(c.Faults, chartBand{f.Name, seconds(f.StartNS), seconds(f.EndNS)})
		}
	}
	if !run.Complete && len(run.Faults) == 0 {
		c.Faults = reached(run)
	}
	for i, name := range run.StreamNames() {
		s := newChartStream(run, streamID(i), run.Streams[name])
		s.Phases, s.Blocks = bands(run, name), blocks(run, name)
		c.Streams = append(c.Streams, s)
		if heat := run.Streams[name].Heat; heat != nil {
			c.Heats = append(c.Heats, newHeatChart(heat, streamID(i), s.Phases))
		}
	}
	return c
}

// reached are the faults of a run that did not end, or goes on: what became of them is not in its record, and their windows are.
func reached(run *reports.Run) []chartBand {
	all := []chartBand{}
	for _, w := range run.Windows {
		if w.Fault != nil && w.Stream == "" {
			all = append(all, chartBand{w.Name, seconds(w.StartNS), seconds(w.EndNS)})
		}
	}
	return all
}

// heatChart counts answers by time and response time. A bound is in milliseconds.
type heatChart struct {
	ID      string      `json:"id"`
	Step    float64     `json:"step"`
	Time    []float64   `json:"time"`
	Bounds  []float64   `json:"bounds"`
	Columns [][]int64   `json:"columns"`
	Phases  []chartBand `json:"phases"`
}

func newHeatChart(heat *reports.Heat, id string, phases []chartBand) heatChart {
	c := heatChart{ID: id + "-heat", Step: seconds(heat.StepNS), Columns: heat.Columns, Phases: phases, Time: []float64{}, Bounds: []float64{}}
	for i := range heat.Columns {
		c.Time = append(c.Time, float64(i)*c.Step)
	}
	for _, bound := range heat.BoundsNS {
		c.Bounds = append(c.Bounds, float64(bound)/1e6)
	}
	return c
}

// bands are the phases of the run and the steps of a stream, piece by piece.
func bands(run *reports.Run, stream string) []chartBand {
	all := []chartBand{}
	for _, w := range run.WindowsOf(stream) {
		if w.Base != "" {
			all = append(all, chartBand{w.Name, seconds(w.StartNS), seconds(w.EndNS)})
		}
	}
	return all
}

// phases are those of the run.
func phases(run *reports.Run) []chartBand {
	all := []chartBand{}
	for _, w := range run.Windows {
		if w.Phase() {
			all = append(all, chartBand{w.Name, seconds(w.StartNS), seconds(w.EndNS)})
		}
	}
	return all
}

// blocks are the times in which the target blocked a connection of a stream; those that overlap are one.
func blocks(run *reports.Run, stream string) []chartBand {
	all := []chartBand{}
	for _, b := range run.Streams[stream].Blocks {
		band := chartBand{"blocked: " + b.Why, seconds(b.AtNS), seconds(run.DurationNS)}
		if b.EndNS != nil {
			band.End = seconds(*b.EndNS)
		}
		if last := len(all) - 1; last >= 0 && all[last].Name == band.Name && all[last].End >= band.Start {
			all[last].End = max(all[last].End, band.End)
			continue
		}
		all = append(all, band)
	}
	return all
}

func newChartStream(run *reports.Run, id string, stream *reports.Stream) chartStream {
	n := len(stream.Seconds)
	s := chartStream{
		ID: id, Step: seconds(cmp.Or(stream.ResolutionNS, int64(time.Second))), Time: make([]float64, 0, n), P50: make(figures, 0, n), P99: make(figures, 0, n),
		Max: make(figures, 0, n), Effect: figures{}, Offered: make(figures, 0, n), Acked: make(figures, 0, n), Errors: make(figures, 0, n),
		Retries: make(figures, 0, n), Hung: make(marks, 0, n), Limited: make(marks, 0, n), Busy: make(marks, 0, n),
	}
	for i := range stream.Seconds {
		row := &stream.Seconds[i]
		rate := perSecond(run, row, stream.ResolutionNS)
		s.Time = append(s.Time, seconds(row.StartNS))
		s.P50, s.P99, s.Max = append(s.P50, ms(row.P50NS)), append(s.P99, ms(row.P99NS)), append(s.Max, ms(row.MaxNS))
		if stream.Total.Effect != nil {
			s.Effect = append(s.Effect, ms(row.EffectP99NS))
		}
		s.Offered, s.Acked = append(s.Offered, rate(row.Offered)), append(s.Acked, rate(row.Acked))
		s.Errors = append(s.Errors, rate(row.Rejected+row.Indeterminate+row.Dropped))
		s.Retries = append(s.Retries, rate(row.Retries))
		s.Hung = append(s.Hung, hung(row))
		s.Limited, s.Busy = append(s.Limited, bit(row.Limited)), append(s.Busy, bit(row.Busy))
	}
	s.thin(pieceOf(n, pointsOf(len(run.Streams))))
	return s
}

// thin makes each piece of n rows two points.
func (s *chartStream) thin(n int) {
	if n <= 1 {
		return
	}
	s.Time = thinTimes(s.Time, n, s.Step)
	s.Step *= float64(n) / 2
	for _, curve := range []*figures{&s.P50, &s.P99, &s.Max, &s.Effect, &s.Offered, &s.Acked, &s.Errors, &s.Retries} {
		*curve = curve.thin(n)
	}
	for _, m := range []*marks{&s.Hung, &s.Limited, &s.Busy} {
		*m = m.thin(n)
	}
}

// perSecond turns the counts of a row into rates; the run may end within it. resolution is the length of a row, 0 for a second.
func perSecond(run *reports.Run, row *reports.Second, resolution int64) func(int64) *float64 {
	length := min(run.DurationNS-row.StartNS, cmp.Or(resolution, int64(time.Second)))
	return func(n int64) *float64 {
		v := float64(n)
		if length > 0 {
			v /= seconds(length)
		}
		return &v
	}
}

func hung(row *reports.Second) int {
	switch {
	case row.Offered == 0 || row.P99NS != nil:
		return 0
	case row.P50NS != nil:
		return 1
	}
	return 2
}

func bit(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

func ms(ns *int64) *float64 {
	if ns == nil {
		return nil
	}
	v := float64(*ns) / 1e6
	return &v
}
