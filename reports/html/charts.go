package html

import (
	"time"

	"wringer/reports"
)

// charts is the data of every chart, read by the page's script. Times are seconds from the end of the warm-up, response
// times milliseconds, rates a second.
type charts struct {
	Length  float64       `json:"length"`
	Faults  []chartBand   `json:"faults"`
	Streams []chartStream `json:"streams"`
	// Ended are the parts that ended by themselves, at their times.
	Ended  []chartBand  `json:"ended"`
	Gauges []gaugeChart `json:"gauges"`
}

// chartBand is a fault, a phase or a step as it is drawn.
type chartBand struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// chartStream holds one value for each second.
type chartStream struct {
	ID      string     `json:"id"`
	Time    []float64  `json:"time"`
	P50     []*float64 `json:"p50"`
	P99     []*float64 `json:"p99"`
	Max     []*float64 `json:"max"`
	Effect  []*float64 `json:"effect"` // p99 of the time to the effect; empty if not measured
	Offered []float64  `json:"offered"`
	Acked   []float64  `json:"acked"`
	Errors  []float64  `json:"errors"`
	Retries []float64  `json:"retries"`
	// Hung is 0 where every percentile was answered, 1 where p99 falls among operations without an answer, 2 where p50
	// does too.
	Hung []int `json:"hung"`
	// Limited is 1 where the load generator was saturated.
	Limited []int `json:"limited"`
	// Phases are those of the run, and the named steps of this stream's rate.
	Phases []chartBand `json:"phases"`
}

func newCharts(run *reports.Run) charts {
	c := charts{Length: seconds(run.DurationNS), Faults: []chartBand{}, Streams: []chartStream{}, Ended: ended(run), Gauges: gaugeCharts(run)}
	for i := range run.Faults {
		if f := &run.Faults[i]; !f.NotInjected {
			c.Faults = append(c.Faults, chartBand{f.Name, seconds(f.StartNS), seconds(f.EndNS)})
		}
	}
	for i, name := range run.StreamNames() {
		s := newChartStream(run, streamID(i), run.Streams[name])
		s.Phases = bands(run, name)
		c.Streams = append(c.Streams, s)
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

func newChartStream(run *reports.Run, id string, stream *reports.Stream) chartStream {
	s := chartStream{
		ID: id, Time: []float64{}, P50: []*float64{}, P99: []*float64{}, Max: []*float64{}, Effect: []*float64{}, Offered: []float64{}, Acked: []float64{},
		Errors: []float64{}, Retries: []float64{}, Hung: []int{}, Limited: []int{},
	}
	for i := range stream.Seconds {
		row := &stream.Seconds[i]
		rate := perSecond(run, row)
		s.Time = append(s.Time, seconds(row.StartNS))
		s.P50, s.P99, s.Max = append(s.P50, ms(row.P50NS)), append(s.P99, ms(row.P99NS)), append(s.Max, ms(row.MaxNS))
		if stream.Total.Effect != nil {
			s.Effect = append(s.Effect, ms(row.EffectP99NS))
		}
		s.Offered, s.Acked = append(s.Offered, rate(row.Offered)), append(s.Acked, rate(row.Acked))
		s.Errors = append(s.Errors, rate(row.Rejected+row.Indeterminate+row.Dropped))
		s.Retries = append(s.Retries, rate(row.Retries))
		s.Hung = append(s.Hung, hung(row))
		s.Limited = append(s.Limited, bit(row.Limited))
	}
	return s
}

// perSecond turns counts into rates; the run may end within the second.
func perSecond(run *reports.Run, row *reports.Second) func(int64) float64 {
	length := min(run.DurationNS-row.StartNS, int64(time.Second))
	return func(n int64) float64 {
		if length <= 0 {
			return float64(n)
		}
		return float64(n) / seconds(length)
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
