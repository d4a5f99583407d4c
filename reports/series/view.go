package series

import (
	"cmp"
	"slices"
	"time"

	"wringer/reports"
)

// Span is a part of the run, [Start, End).
type Span struct{ Start, End time.Duration }

// View is what a gate on a series reads: the series over some spans of the run.
type View struct {
	// Reached: the run came to one of the spans.
	Reached bool
	// Counter: the values are rates.
	Counter bool
	// N is the number of values, the others are their smallest, their largest and their mean.
	N              int
	Min, Max, Mean float64
	// Least and Most are the ends of what a counter rose by: a rise between two readings of which only a part lies in the spans may
	// belong to them or not.
	Least, Most float64
	// Rises are the times between two readings of a counter that touch the spans, Resets those in which it was reset.
	Rises, Resets int
	// Unknown is the reason why a part of the spans is not known; empty: all is.
	Unknown string
}

// Over is what is known of a series over spans, which are in order. It panics for a name that is not among those of New.
func (a *Account) Over(name string, spans []Span) *View {
	return a.Those(name, spans, func(time.Duration) bool { return true })
}

// Those is Over for the values at those times that keep names.
func (a *Account) Those(name string, spans []Span, keep func(at time.Duration) bool) *View {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.series[name]
	spans = a.clipped(spans)
	v := &View{Reached: len(spans) > 0, Counter: s.counter}
	if !v.Reached {
		return v
	}
	total := 0.0
	for i := range s.values {
		r := &s.values[i]
		if s.counter {
			v.rise(r, spans)
		}
		if !within(spans, r.at) || !keep(r.at) {
			continue
		}
		if v.N++; v.N == 1 {
			v.Min, v.Max = r.value, r.value
		}
		v.Min, v.Max = min(v.Min, r.value), max(v.Max, r.value)
		total += r.value
	}
	if v.N > 0 {
		v.Mean = total / float64(v.N)
	}
	v.Unknown = cmp.Or(s.gapIn(spans), a.stalled(spans))
	return v
}

// Values are all values of a series, each at the end of its reading, of a counter its rates.
func (a *Account) Values(name string) []reports.Sample {
	a.mu.Lock()
	defer a.mu.Unlock()
	values := a.series[name].values
	out := make([]reports.Sample, len(values))
	for i := range values {
		out[i] = reports.Sample{AtNS: int64(values[i].at), Value: values[i].value}
	}
	return out
}

// End is the time after which nothing was read; 0 while the account is open.
func (a *Account) End() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.end
}

// clipped are the spans up to the end of the readings. The last window of a run has no end of its own.
func (a *Account) clipped(spans []Span) (out []Span) {
	for _, s := range spans {
		s.End = min(s.End, a.end)
		switch n := len(out); {
		case s.Start >= s.End:
		case n > 0 && out[n-1].End == s.Start: // a rise may lie in both
			out[n-1].End = s.End
		default:
			out = append(out, s)
		}
	}
	return out
}

func within(spans []Span, at time.Duration) bool {
	return slices.ContainsFunc(spans, func(s Span) bool { return s.Start <= at && at < s.End })
}

// firstReading is the latest end of a reading that shows what a counter was as the warm-up ended.
const firstReading = 50 * time.Millisecond

// rise adds what a counter rose by between two readings.
func (v *View) rise(r *value, spans []Span) {
	for _, s := range spans {
		inWarmup := s.Start == 0 && r.since < 0 && r.at <= firstReading
		if r.at <= s.Start || r.since >= s.End || inWarmup {
			continue
		}
		v.Rises++
		v.Most += r.rose
		if s.Start <= r.since && r.at <= s.End {
			v.Least += r.rose
		}
		if r.reset {
			v.Resets++
		}
		return
	}
}

// gapIn is the reason of the first gap that touches the spans; empty without one.
func (s *history) gapIn(spans []Span) string {
	for _, g := range s.gaps {
		if slices.ContainsFunc(spans, func(s Span) bool { return g.from < s.End && g.to >= s.Start }) {
			return g.why + ", at " + reports.Moment(int64(g.from))
		}
	}
	return ""
}

// stalled says that no reading was tried for so long that some are missing: this process, or a reading, stood still.
func (a *Account) stalled(spans []Span) string {
	longest := max(2*a.every, a.every+time.Second)
	for _, s := range spans {
		last := s.Start
		for _, t := range a.tries {
			if t.to < s.Start || t.from >= s.End {
				continue
			}
			if t.from-last > longest {
				return missing(last, t.from)
			}
			last = max(last, t.to)
		}
		if s.End-last > longest {
			return missing(last, s.End)
		}
	}
	return ""
}

func missing(from, to time.Duration) string {
	return "nothing was read from " + reports.Moment(int64(from)) + " to " + reports.Moment(int64(to))
}
