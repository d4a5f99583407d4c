package page

import (
	"maps"
	"math"
	"slices"
	"strconv"

	"wringer/reports/compare"
)

// chart is the data of all charts, read by the page's script. Times of the run are seconds, response times milliseconds.
type chart struct {
	Length  float64  `json:"length"`
	Bands   []band   `json:"bands"`
	Streams []stream `json:"streams"`
}

// band is a fault.
type band struct {
	Name  string  `json:"name"`
	Start float64 `json:"start"`
	End   float64 `json:"end"`
}

// stream holds the curves of one stream.
type stream struct {
	ID   string    `json:"id"`
	Name string    `json:"-"`
	Time []float64 `json:"time"`
	Base curves    `json:"base"`
	New  curves    `json:"new"`
	// Distribution has the response times at Nines: 1 is the 90th percentile, 2 the 99th.
	Nines []float64  `json:"nines"`
	From  []*float64 `json:"from"`
	To    []*float64 `json:"to"`
}

// curves are those of one side: p99 as the median, the lowest and the highest of its runs, and operations acked a second.
type curves struct {
	P99   []*float64 `json:"p99"`
	Low   []*float64 `json:"low"`
	High  []*float64 `json:"high"`
	Acked []*float64 `json:"acked"`
}

// mostPoints bounds the points of a curve. A longer run has several seconds a point, and shows the highest p99 of them.
const mostPoints = 300

// mostStreams bounds the streams that are drawn; the tables hold all.
const mostStreams = 20

func newChart(a *compare.Answer, base, fresh []*compare.Run) chart {
	c := chart{Bands: []band{}, Streams: []stream{}}
	base, fresh = compared(a, compare.BaseSide, base), compared(a, compare.NewSide, fresh)
	all := slices.Concat(base, fresh)
	names := make(map[string]bool)
	for _, r := range all {
		c.Length = max(c.Length, float64(r.Record.DurationNS)/1e9)
		for name, s := range r.Record.Streams {
			if !s.Consumes() && len(s.Seconds) > 0 {
				names[name] = true
			}
		}
	}
	if len(all) > 0 {
		for i := range all[0].Record.Faults {
			if f := &all[0].Record.Faults[i]; !f.NotInjected {
				c.Bands = append(c.Bands, band{f.Title(), float64(f.StartNS) / 1e9, float64(f.EndNS) / 1e9})
			}
		}
	}
	if !(c.Length > 0 && c.Length < 1e7) { // a hostile record: no picture
		return c
	}
	for i, name := range slices.Sorted(maps.Keys(names)) {
		if i == mostStreams {
			break
		}
		c.Streams = append(c.Streams, newStream("stream-"+strconv.Itoa(i), name, c.Length, base, fresh))
	}
	return c
}

// compared are the runs of a side that entered the comparison; of runs that are not comparable, all.
func compared(a *compare.Answer, side string, runs []*compare.Run) (sound []*compare.Run) {
	i := 0
	for _, in := range a.Inputs {
		if in.Side != side {
			continue
		}
		if i < len(runs) && (in.LeftOut == "" || !a.Comparable) {
			sound = append(sound, runs[i])
		}
		i++
	}
	return sound
}

func newStream(id, name string, length float64, base, fresh []*compare.Run) stream {
	step := max(1, math.Ceil(length/mostPoints))
	s := stream{ID: id, Name: name}
	for at := 0.0; at < length; at += step {
		s.Time = append(s.Time, at)
	}
	s.Base, s.New = newCurves(name, base, step, len(s.Time)), newCurves(name, fresh, step, len(s.Time))
	for i := 0.0; i <= 3; i += 0.05 {
		s.Nines = append(s.Nines, math.Round(100*i)/100)
	}
	s.From, s.To = distribution(name, base, s.Nines), distribution(name, fresh, s.Nines)
	return s
}

// newCurves folds the seconds of the runs of a side.
func newCurves(name string, runs []*compare.Run, step float64, points int) curves {
	p99, acked := make([][]float64, points), make([][]float64, points)
	for _, r := range runs {
		s := r.Record.Streams[name]
		if s == nil {
			continue
		}
		worst, sum, covered := make([]float64, points), make([]float64, points), make([]float64, points)
		resolution := 1.0
		if s.ResolutionNS > 0 {
			resolution = float64(s.ResolutionNS) / 1e9
		}
		for i := range s.Seconds {
			row := &s.Seconds[i]
			at := int(float64(row.StartNS) / 1e9 / step)
			if at < 0 || at >= points {
				continue
			}
			if row.P99NS != nil {
				worst[at] = max(worst[at], float64(*row.P99NS)/1e6)
			}
			sum[at], covered[at] = sum[at]+float64(row.Acked), covered[at]+resolution
		}
		for at := range points {
			if worst[at] > 0 {
				p99[at] = append(p99[at], worst[at])
			}
			if covered[at] > 0 {
				acked[at] = append(acked[at], sum[at]/covered[at])
			}
		}
	}
	var c curves
	for at := range points {
		c.P99, c.Acked = append(c.P99, middle(p99[at])), append(c.Acked, middle(acked[at]))
		c.Low, c.High = append(c.Low, end(p99[at], slices.Min)), append(c.High, end(p99[at], slices.Max))
	}
	return c
}

func middle(values []float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	slices.Sort(values)
	n := len(values)
	return rounded((values[(n-1)/2] + values[n/2]) / 2)
}

func end(values []float64, of func([]float64) float64) *float64 {
	if len(values) == 0 {
		return nil
	}
	return rounded(of(values))
}

// rounded keeps four digits, which no picture shows more of.
func rounded(v float64) *float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 3, 64), 64)
	if err != nil || math.IsInf(short, 0) || math.IsNaN(short) {
		return nil
	}
	return &short
}

// distribution is the response time at each percentile over all runs of a side; null where operations got no answer.
func distribution(name string, runs []*compare.Run, nines []float64) []*float64 {
	counts := make(map[int64]int64)
	var offered int64
	for _, r := range runs {
		if s := r.Record.Streams[name]; s != nil {
			offered += s.Total.Offered
			for _, b := range s.Histogram {
				counts[b.UpToNS] += b.Count
			}
		}
	}
	bounds := slices.Sorted(maps.Keys(counts))
	out := make([]*float64, len(nines))
	for i, n := range nines {
		out[i] = at(counts, bounds, int64(math.Ceil((1-math.Pow(10, -n))*float64(offered))))
	}
	return out
}

// at is the time of the operation of that rank, in milliseconds.
func at(counts map[int64]int64, bounds []int64, rank int64) *float64 {
	var sum int64
	for _, b := range bounds {
		if sum += counts[b]; sum >= max(rank, 1) {
			return rounded(float64(b) / 1e6)
		}
	}
	return nil
}
