package reports

import (
	"maps"
	"time"
)

// maxRows bounds the rows that a record holds of each stream, link, gauge and series, and of the machine.
const maxRows = 3600

// resolutions are the lengths of a row, in seconds. Each divides an hour, or is a number of hours.
var resolutions = []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600}

// Resolution is the length of a record's row in seconds, for a run of so many seconds: the shortest with which the rows are no more
// than 3,600.
func Resolution(seconds int) int {
	for _, n := range resolutions {
		if seconds <= n*maxRows {
			return n
		}
	}
	hours := (seconds + 3600*maxRows - 1) / (3600 * maxRows)
	return hours * 3600
}

// Coarsen bounds the rows of a long run's record: those of an hour stay as they are. In a row of several seconds counts are sums.
// Percentiles and maxima are the largest of its seconds, or null where one of them is. Means of the machine are means. Of a gauge
// the smallest and the largest reading of the row stay. Totals and windows are exact all the same. Calling it again changes nothing.
func (r *Run) Coarsen() {
	n := Resolution(int((r.DurationNS + int64(time.Second) - 1) / int64(time.Second)))
	if n == 1 {
		return
	}
	length := int64(n) * int64(time.Second)
	for _, s := range r.Streams {
		if s.ResolutionNS == length {
			continue
		}
		s.ResolutionNS = length
		s.Seconds = coarse(s.Seconds, length, func(s *Second) *int64 { return &s.StartNS }, mergeSeconds)
		s.Gauges = coarseGauges(s.Gauges, length)
	}
	for _, l := range r.Links {
		l.Seconds = coarse(l.Seconds, length, func(s *LinkSecond) *int64 { return &s.StartNS }, mergeLinkSeconds)
	}
	for _, p := range r.Parts {
		p.Gauges = coarseGauges(p.Gauges, length)
	}
	for name, o := range r.Observed {
		r.Observed[name] = coarseObserved(o, length)
	}
	r.Machine = coarse(r.Machine, length, func(s *MachineSecond) *int64 { return &s.StartNS }, mergeMachine)
}

// coarse merges the rows that begin within each piece of that length. The rows are in order of their starts.
func coarse[T any](rows []T, length int64, start func(*T) *int64, merge func([]T) T) []T {
	if len(rows) == 0 {
		return rows
	}
	var out []T
	for from, to := 0, 0; from < len(rows); from = to {
		piece := *start(&rows[from]) / length
		for to = from; to < len(rows) && *start(&rows[to])/length == piece; to++ {
		}
		row := merge(rows[from:to])
		*start(&row) = piece * length
		out = append(out, row)
	}
	return out
}

func mergeSeconds(rows []Second) (sum Second) {
	offered := func(s *Second) bool { return s.Offered > 0 }
	acked := func(s *Second) bool { return s.Acked > 0 }
	sum.P50NS = largest(rows, offered, func(s *Second) *int64 { return s.P50NS })
	sum.P99NS = largest(rows, offered, func(s *Second) *int64 { return s.P99NS })
	sum.MaxNS = largest(rows, func(s *Second) bool { return s.MaxNS != nil }, func(s *Second) *int64 { return s.MaxNS })
	sum.EffectP50NS = largest(rows, acked, func(s *Second) *int64 { return s.EffectP50NS })
	sum.EffectP99NS = largest(rows, acked, func(s *Second) *int64 { return s.EffectP99NS })
	for i := range rows {
		sum.Counts.Add(rows[i].Counts)
		sum.Limited, sum.Busy = sum.Limited || rows[i].Limited, sum.Busy || rows[i].Busy
	}
	return sum
}

// largest is the largest value of the rows that have one; nil where one of them does not tell it, or none has one.
func largest(rows []Second, has func(*Second) bool, value func(*Second) *int64) (most *int64) {
	for i := range rows {
		if !has(&rows[i]) {
			continue
		}
		v := value(&rows[i])
		if v == nil {
			return nil
		}
		if most == nil || *v > *most {
			most = v
		}
	}
	return most
}

func mergeLinkSeconds(rows []LinkSecond) (sum LinkSecond) {
	for _, row := range rows {
		sum.Requests, sum.Answered = sum.Requests+row.Requests, sum.Answered+row.Answered
	}
	return sum
}

func mergeMachine(rows []MachineSecond) (mean MachineSecond) {
	n := float64(len(rows))
	for _, row := range rows {
		mean.Used, mean.Run, mean.Target = mean.Used+row.Used/n, mean.Run+row.Run/n, mean.Target+row.Target/n
		mean.Others, mean.Steal = mean.Others+row.Others/n, mean.Steal+row.Steal/n
		mean.Busy = mean.Busy || row.Busy
		if row.ThrottledNS != nil {
			mean.ThrottledNS = new(*row.ThrottledNS + pointedAt(mean.ThrottledNS))
		}
	}
	mean.Pressure = meanOf(rows, func(s *MachineSecond) *float64 { return s.Pressure })
	mean.Wait = meanOf(rows, func(s *MachineSecond) *float64 { return s.Wait })
	return mean
}

// meanOf is the mean of a value over the rows that tell it, nil where none does.
func meanOf(rows []MachineSecond, value func(*MachineSecond) *float64) *float64 {
	var sum, n float64
	for i := range rows {
		if v := value(&rows[i]); v != nil {
			sum, n = sum+*v, n+1
		}
	}
	if n == 0 {
		return nil
	}
	return new(sum / n)
}

// coarseGauges bounds the samples of gauges: of each piece of twice the length, the smallest and the largest stay, in order. It
// leaves the given samples as they are.
func coarseGauges(gauges map[string][]Sample, length int64) map[string][]Sample {
	bounded := maps.Clone(gauges)
	for name, samples := range gauges {
		if len(samples) <= maxRows {
			continue
		}
		var out []Sample
		for _, piece := range pieces(samples, 2*length) {
			low, high := 0, 0
			for i := range piece {
				if piece[i].Value < piece[low].Value {
					low = i
				}
				if piece[i].Value > piece[high].Value {
					high = i
				}
			}
			out = append(out, piece[min(low, high)])
			if low != high {
				out = append(out, piece[max(low, high)])
			}
		}
		bounded[name] = out
	}
	return bounded
}

// pieces cuts samples, which are in order, by the pieces of that length in which they were taken.
func pieces(samples []Sample, length int64) (all [][]Sample) {
	for from, to := 0, 0; from < len(samples); from = to {
		for to = from; to < len(samples) && samples[to].AtNS/length == samples[from].AtNS/length; to++ {
		}
		all = append(all, samples[from:to])
	}
	return all
}
