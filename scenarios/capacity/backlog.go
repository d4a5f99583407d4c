package capacity

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

// growing names a stream whose backlog grew during the run: what stays in flight and the response time rise together where arrivals do
// not wait (Little's law). In a closed model neither can. A fault makes times rise as well, so a run with faults is looked at in the
// stretches between them. Lag and depth count for every stream: who falls behind is often not who is loaded.
func growing(a *Axis, run *reports.Run) string {
	for _, s := range stretches(run) {
		for _, name := range a.Streams {
			if stream := run.Streams[name]; !a.Users && stream != nil && rises(medians(stream, s), overload*s.length(), growth) {
				return name
			}
		}
		for _, name := range slices.Sorted(maps.Keys(run.Streams)) {
			for _, gauge := range backlogs {
				if rises(values(run.Streams[name].Gauges[gauge], s), overload*offeredIn(a, run, s), 1) {
					return name + " (" + gauge + ")"
				}
			}
		}
	}
	return ""
}

// delayed names a stream whose effects came ever later after their operations: what the target does behind its answers falls behind.
// It holds where the load generator read them as fast as they came.
func delayed(a *Axis, run *reports.Run) string {
	for _, s := range stretches(run) {
		for _, name := range a.Streams {
			if stream := run.Streams[name]; stream != nil && known(stream.Total.Effect) && rises(delays(stream, s), overload*s.length(), growth) {
				return name
			}
		}
	}
	return ""
}

// known says that times to the effect were measured, and all of them.
func known(e *reports.EffectTimes) bool { return e != nil && e.Unknown == 0 }

// delays are the median times to the effect of the seconds; in a second without a median most effects never came.
func delays(s *reports.Stream, in stretch) []float64 {
	var all []float64
	for i := range s.Seconds {
		sec := &s.Seconds[i]
		switch {
		case sec.Acked == 0 || !in.holds(sec.StartNS):
		case sec.EffectP50NS != nil:
			all = append(all, float64(*sec.EffectP50NS))
		default:
			all = append(all, math.MaxInt64)
		}
	}
	return all
}

// blind says whether a run could not show a growing backlog of every stream: no stretch has enough seconds with operations.
func blind(a *Axis, run *reports.Run) bool {
	return !a.Users && slices.ContainsFunc(a.Streams, func(name string) bool {
		s := run.Streams[name]
		return s != nil && !slices.ContainsFunc(stretches(run), func(in stretch) bool { return len(medians(s, in)) >= fewest })
	})
}

// blind says whether no trial that passed at a load could show a growing backlog.
func (c *finder) blind(at float64) bool {
	return !slices.ContainsFunc(c.answer.Trials, func(t *Trial) bool { return t.At == at && t.result() == search.Passed && !t.Blind })
}

// backlogs are the gauges that count what waits behind a stream.
var backlogs = []string{"group_lag", "depth", "unacked"}

// backlog is the largest of them at the end of a run.
func backlog(run *reports.Run) (most float64) {
	for _, s := range run.Streams {
		for _, gauge := range backlogs {
			if samples := s.Gauges[gauge]; len(samples) > 0 {
				most = max(most, samples[len(samples)-1].Value)
			}
		}
	}
	return most
}

// unread names a stream of which the load generator itself read the effects, or the log, ever later: lag is that of its own reader.
func unread(a *Axis, run *reports.Run) string {
	for _, s := range stretches(run) {
		for _, name := range slices.Sorted(maps.Keys(run.Streams)) {
			if rises(values(run.Streams[name].Gauges["lag"], s), overload*offeredIn(a, run, s), 1) {
				return name
			}
		}
	}
	return ""
}

// stretch is a part of a run, in nanoseconds.
type stretch struct{ from, to int64 }

func (s stretch) length() float64         { return float64(s.to - s.from) }
func (s stretch) holds(second int64) bool { return second >= s.from && second < s.to }

// stretches are the parts of a run outside of its faults, in whole seconds.
func stretches(run *reports.Run) []stretch {
	var all []stretch
	begun := int64(0)
	add := func(to int64) {
		if to > begun {
			all = append(all, stretch{begun, to})
		}
	}
	injected := slices.DeleteFunc(slices.Clone(run.Faults), func(f reports.Fault) bool { return f.NotInjected })
	slices.SortFunc(injected, func(a, b reports.Fault) int { return cmp.Compare(a.StartNS, b.StartNS) })
	const second = int64(time.Second)
	for _, f := range injected {
		add(f.StartNS / second * second)
		begun = max(begun, (f.EndNS+second-1)/second*second)
	}
	add(run.DurationNS)
	return all
}

// medians are the median response times of the seconds; a second without a median counts as slower than every answer.
func medians(s *reports.Stream, in stretch) []float64 {
	var all []float64
	for i := range s.Seconds {
		sec := &s.Seconds[i]
		switch {
		case sec.Offered == 0 || !in.holds(sec.StartNS):
		case sec.P50NS != nil:
			all = append(all, float64(*sec.P50NS))
		default:
			all = append(all, math.MaxInt64)
		}
	}
	return all
}

func values(samples []reports.Sample, in stretch) []float64 {
	var all []float64
	for _, s := range samples {
		if in.holds(s.AtNS) {
			all = append(all, s.Value)
		}
	}
	return all
}

// offeredIn is the number of operations that the scaled streams offered in a stretch.
func offeredIn(a *Axis, run *reports.Run, in stretch) (n float64) {
	for _, name := range a.Streams {
		if s := run.Streams[name]; s != nil && run.DurationNS > 0 {
			n += float64(s.Total.Offered) * in.length() / float64(run.DurationNS)
		}
	}
	return n
}

// The bounds of a rise. There are enough values. The last third is above the first by what an overload of half a percent brings; times
// are also twice as high. Chance makes their order in one case of a thousand: Mann and Kendall's test, with its normal approximation.
const (
	fewest   = 5
	overload = 0.005
	growth   = 2
	unusual  = 3.1
)

// rises says whether values grow from the beginning to the end, by at least some amount and to so many times the first ones. What waits
// behind a stream may have been there before: its factor is 1.
func rises(v []float64, by, growth float64) bool {
	n := len(v)
	if n < fewest {
		return false
	}
	s := 0
	for i := range v {
		for j := i + 1; j < n; j++ {
			s += cmp.Compare(v[j], v[i])
		}
	}
	pairs := float64(n * (n - 1))
	z := (float64(s) - 1) / math.Sqrt(pairs*float64(2*n+5)/18)
	first, last := median(v[:n/3]), median(v[n-n/3:])
	return last-first >= by && last >= growth*first && (z > unusual || 2*s == n*(n-1))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
