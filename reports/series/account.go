// Package series folds the readings of what the target says of itself: sums, rates of counters with their resets, and the times of
// which nothing is known. It has the metrics of gates on a series: observe(jvm.heap).max.
package series

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// The most that an account keeps of what went wrong, and of time series behind one counter.
const (
	mostFailures = 20
	mostKept     = 20_000
)

// Account keeps the readings of one entry of `observe`. Times are those of the run's clock: negative in the warm-up. Its methods are safe
// for concurrent use. The number of readings is bounded by the scenario, see scenarios.MaxObservedValues.
type Account struct {
	every time.Duration

	mu       sync.Mutex
	tries    []try
	failed   int64
	failures []reports.FailedReading
	series   map[string]*history
	end      time.Duration
}

// try is one reading, from its begin to its end.
type try struct{ from, to time.Duration }

// history keeps one series.
type history struct {
	known, counter bool
	values         []value
	// last are the values behind a counter at its last reading, and those before it that are gone. since is the begin of that reading,
	// or of the last one that found no counter yet.
	last   map[string]float64
	since  time.Duration
	read   bool // since is that of some reading
	rose   float64
	resets int64
	gaps   []gap
	missed int64
	why    string

	samples []reports.Sample // of the seconds that are over
	open    *reports.Sample  // of the last second
}

// value is what one reading says of a series.
type value struct {
	// at is the end of the reading. Of a counter since is the begin of the reading before it.
	since, at time.Duration
	value     float64 // of a counter: by how much it rose a second
	rose      float64
	reset     bool
}

// gap is a time of which a series tells nothing.
type gap struct {
	from, to time.Duration
	why      string
}

// New makes the account of an entry with these series.
func New(every time.Duration, names []string) *Account {
	a := &Account{every: every, series: make(map[string]*history, len(names))}
	for _, name := range names {
		a.series[name] = &history{last: make(map[string]float64)}
	}
	return a
}

// Add adds a reading that was begun at from and ended at to. failed is the reason why it told nothing; nil: it did.
func (a *Account) Add(from, to time.Duration, all map[string]drivers.SeriesReading, failed error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tries = append(a.tries, try{from, to})
	if failed != nil {
		a.failed++
		if len(a.failures) < mostFailures {
			a.failures = append(a.failures, reports.FailedReading{AtNS: int64(from), Why: failed.Error()})
		}
		why := "a reading failed: " + failed.Error()
		for _, s := range a.series {
			s.gap(from, to, why)
		}
		return
	}
	for name, s := range a.series {
		r, ok := all[name]
		if !ok {
			r.Missing = "the reading does not hold it"
		}
		s.add(from, to, &r)
	}
}

// Close ends the account: no reading begins after end.
func (a *Account) Close(end time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.end = end
	for _, s := range a.series {
		s.settle()
	}
}

func (s *history) miss(from, to time.Duration, why string) {
	s.missed++
	s.why = cmp.Or(s.why, why)
	s.gap(from, to, why)
}

// gap notes a time of which nothing is known. Those of one reason without a value between them are one.
func (s *history) gap(from, to time.Duration, why string) {
	if n := len(s.gaps); n > 0 && s.gaps[n-1].why == why && (len(s.values) == 0 || s.values[len(s.values)-1].at <= s.gaps[n-1].from) {
		s.gaps[n-1].to = to
		return
	}
	s.gaps = append(s.gaps, gap{from, to, why})
}

// add adds a reading to the series.
func (s *history) add(from, to time.Duration, r *drivers.SeriesReading) {
	if r.Absent && len(s.last) == 0 { // a counter that appears later began at 0
		s.since, s.read = from, true
	}
	switch {
	case r.Missing != "":
		s.miss(from, to, r.Missing)
		return
	case s.known && s.counter != r.Counter:
		s.miss(from, to, "its type changed between two readings")
		return
	}
	s.known, s.counter = true, r.Counter
	if s.counter {
		s.count(from, to, r.Values)
		return
	}
	total := sum(r.Values)
	if math.IsInf(total, 0) {
		s.miss(from, to, "the sum of its time series is too large")
		return
	}
	s.values = append(s.values, value{since: from, at: to, value: total})
	s.sample(to, total)
}

// count adds a reading of a counter. Each time series behind it rises by itself: one that fell has started anew at 0, and so has one that
// was not there at the reading before.
func (s *history) count(from, to time.Duration, now map[string]float64) {
	var rose []float64
	reset, below := false, false
	for key, v := range now {
		before, known := s.last[key]
		below = below || v < 0
		if !known || v < before {
			reset = reset || known
			before = 0
		}
		rose = append(rose, v-before)
	}
	if below {
		s.miss(from, to, "a counter is below 0")
		return
	}
	first := !s.read
	length, since := (to - s.since).Seconds(), s.since
	s.since, s.read = from, true
	maps.Copy(s.last, now)
	if len(s.last) > mostKept {
		s.last = maps.Clone(now)
		s.miss(from, to, fmt.Sprintf("more than %d time series came and went", mostKept))
		return
	}
	if first || length <= 0 {
		return
	}
	if reset {
		s.resets++
	}
	slices.Sort(rose) // the sum is the same each time
	v := value{since: since, at: to, reset: reset}
	for _, r := range rose {
		v.rose += r
	}
	if math.IsInf(v.rose, 0) {
		s.miss(from, to, "the sum of its time series is too large")
		return
	}
	if v.value = v.rose / length; since >= 0 {
		s.rose += v.rose
	}
	s.values = append(s.values, v)
	s.sample(to, v.value)
}

func sum(values map[string]float64) (total float64) {
	for _, v := range slices.Sorted(maps.Values(values)) {
		total += v
	}
	return total
}

// sample keeps the last value of each second of the run.
func (s *history) sample(at time.Duration, v float64) {
	if at < 0 {
		return
	}
	if s.open != nil && time.Duration(s.open.AtNS)/time.Second != at/time.Second {
		s.settle()
	}
	s.open = &reports.Sample{AtNS: int64(at), Value: v}
}

// settle puts the last second among those that are over. Those never change again: records hold them.
func (s *history) settle() {
	if s.open != nil {
		s.samples, s.open = append(s.samples, *s.open), nil
	}
}

// Record is the entry's part of the record so far. It shares the samples, which do not change.
func (a *Account) Record(place string) *reports.Observed {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := &reports.Observed{
		Place: place, EveryNS: int64(a.every), Readings: int64(len(a.tries)), Failed: a.failed, Failures: slices.Clone(a.failures),
		Series: make(map[string]*reports.ObservedSeries, len(a.series)),
	}
	for name, s := range a.series {
		one := &reports.ObservedSeries{Counter: s.counter, Resets: s.resets, Missing: s.missed, Why: s.why, Samples: s.samples[:len(s.samples):len(s.samples)]}
		if one.Samples == nil {
			one.Samples = []reports.Sample{}
		}
		if s.counter {
			one.Rose = new(s.rose)
		}
		out.Series[name] = one
	}
	return out
}
