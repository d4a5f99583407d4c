// Package recovery measures a fault's effect from the seconds of a stream. It finds how soon the fault showed, how soon the
// stream was as before, and whether the stream stayed bad after every fault was gone.
package recovery

import (
	"maps"
	"slices"
	"time"

	"wringer/reports"
)

// goodSeconds is how many good seconds in a row count as recovered.
const goodSeconds = 3

// Normal is the behaviour of a stream before any fault.
type Normal struct {
	errors, offered, acked float64 // a share; operations per second
	p99                    time.Duration
	amplification          float64
	closed                 bool
	// Figures of the worst second: no second of the baseline counts as bad.
	worstErrors, worstAcked float64
	worstP99                time.Duration
	// calm is the picture of the seconds in which the machine was not busy; nil: there is one picture. blind: no baseline shows
	// how such a second is.
	calm  *Normal
	blind bool
}

// Of reads the baseline window and its whole seconds, which are rows. It returns false if the baseline measured nothing or was itself not
// answered.
func Of(m *reports.Measures, rows []reports.Second, length time.Duration, closed bool) (Normal, bool) {
	if m == nil || m.Offered == 0 || length <= 0 || m.Response == nil || m.Response.P99 == nil || m.Sent == 0 {
		return Normal{}, false
	}
	n := Normal{
		errors:        1 - float64(m.Acked)/float64(m.Offered),
		offered:       float64(m.Offered) / length.Seconds(),
		acked:         float64(m.Acked) / length.Seconds(),
		p99:           time.Duration(*m.Response.P99),
		amplification: float64(m.Attempts) / float64(m.Sent),
		closed:        closed,
	}
	n.worstAcked = n.acked
	for i := range rows {
		s := &rows[i]
		n.worstAcked = min(n.worstAcked, float64(s.Acked))
		if s.Offered > 0 {
			n.worstErrors = max(n.worstErrors, 1-float64(s.Acked)/float64(s.Offered))
		}
		if s.P99NS != nil {
			n.worstP99 = max(n.worstP99, time.Duration(*s.P99NS))
		}
	}
	return n, true
}

// Apart returns the picture of a baseline with busy seconds. calm is that without them; known: there is one. What other programs
// did to the baseline lets no second pass for good in which they did nothing.
func (n Normal) Apart(calm Normal, known bool) Normal {
	if n.calm = &calm; !known {
		n.calm, n.blind = nil, true
	}
	return n
}

// The tolerances of a good second against the baseline. Errors may be a hundredth higher. The 99th percentile may double, or
// grow by 50 ms if it was short. A closed stream may lose a fifth of its rate. The baseline's own worst second is good.
const (
	errorSlack  = 0.01
	p99Factor   = 2
	p99Slack    = 50 * time.Millisecond
	closedSlack = 0.8
)

// good reports whether a second is like the baseline. A second in which nothing was due is neither good nor bad.
func (n Normal) good(s *reports.Second) bool {
	if n.calm != nil && !s.Busy {
		return n.calm.good(s)
	}
	if n.closed && float64(s.Acked) < min(closedSlack*n.acked, n.worstAcked) {
		return false
	}
	if s.Offered == 0 {
		return !n.closed
	}
	if n.failing(s) {
		return false
	}
	return time.Duration(*s.P99NS) <= max(p99Factor*n.p99, n.p99+p99Slack, n.worstP99)
}

// failing says whether a second is bad by its errors, or by what was not answered: one such second is no noise.
func (n Normal) failing(s *reports.Second) bool {
	if n.calm != nil && !s.Busy {
		return n.calm.failing(s)
	}
	if s.Offered == 0 {
		return false
	}
	failed := 1 - float64(s.Acked)/float64(s.Offered)
	return failed > max(n.errors+errorSlack, n.worstErrors) || s.P99NS == nil
}

// shows says whether row i shows a fault: by its errors at once, by its times or its rate only when the next second is bad too.
func (n Normal) shows(rows []reports.Second, i int, until time.Duration) bool {
	switch {
	case rows[i].Limited || n.good(&rows[i]):
		return false
	case n.failing(&rows[i]):
		return true
	}
	if i+1 == len(rows) || time.Duration(rows[i+1].StartNS)+time.Second > until {
		return false
	}
	return !rows[i+1].Limited && !n.good(&rows[i+1])
}

// goal puts the tolerances in words.
const goal = "3 seconds in a row with errors at most 1 point above the baseline's and p99 at most twice the baseline's (or 50 ms above it, or that of its worst second)"

// Measure computes the recovery of a stream, given its seconds, from a fault that lasted from start to end. until is the start
// of the next fault, or the end of the run.
func (n Normal) Measure(rows []reports.Second, start, end, until time.Duration) reports.StreamRecovery {
	var r reports.StreamRecovery
	after, unsure := 0, false
	var all, sure streak
	for i := range rows {
		at := time.Duration(rows[i].StartNS)
		switch {
		case at+time.Second > until:
			continue
		case at+time.Second <= start:
			r.BadBefore = !rows[i].Limited && !n.good(&rows[i])
			continue
		case at < end:
			if r.DetectionNS == nil && !r.BadBefore && n.shows(rows, i, until) {
				r.DetectionNS = ptr(int64(max(at-start, 0)))
			}
			continue
		}
		after++
		open := n.blind && !rows[i].Busy // it is good by a busy baseline alone
		unsure = unsure || rows[i].Limited || open
		good := n.good(&rows[i])
		all.add(at, good && !open)
		if good || !rows[i].Limited {
			sure.add(at, good)
		}
	}
	if all.found {
		r.RecoveryNS, r.Recovered = ptr(int64(all.first-end)), ptr(true)
		if sure.first != all.first {
			r.RecoveryFromNS = ptr(int64(sure.first - end))
		}
	}
	// Recovery stays undecided if too few good seconds stand at the end, if too few seconds remained, or if bad ones may be the
	// load generator's doing.
	if r.Recovered == nil && after >= goodSeconds && all.run == 0 && !unsure {
		r.Recovered = ptr(false)
	}
	if after >= metastableAfter {
		r.Metastable = ptr(n.metastable(rows, until))
	}
	return r
}

// streak looks for the first goodSeconds good seconds in a row.
type streak struct {
	run   int // good seconds in a row so far
	first time.Duration
	found bool // start of the row
}

func (s *streak) add(at time.Duration, good bool) {
	switch {
	case !good:
		s.run = 0
		return
	case s.run == 0 && !s.found:
		s.first = at
	}
	s.run++
	s.found = s.found || s.run == goodSeconds
}

// metastableAfter is the least number of seconds after the heal that a state must last to be called metastable.
const metastableAfter = 5

// metastable: the load is as before, yet in the last seconds goodput stays below and amplification above the baseline (Bronson
// et al., "Metastable Failures in Distributed Systems", HotOS 2021).
func (n Normal) metastable(rows []reports.Second, until time.Duration) bool {
	var offered, acked, sent, attempts int64
	seconds := 0
	for i := len(rows) - 1; i >= 0 && seconds < goodSeconds; i-- {
		if time.Duration(rows[i].StartNS)+time.Second > until {
			continue
		}
		seconds++
		offered, acked = offered+rows[i].Offered, acked+rows[i].Acked
		sent, attempts = sent+rows[i].Sent, attempts+rows[i].Attempts
	}
	if seconds < goodSeconds || sent == 0 || n.offered == 0 {
		return false
	}
	load := float64(offered) / float64(seconds) / n.offered
	goodput := float64(acked) / float64(seconds) / n.acked
	sameLoad := n.closed || (load > 0.9 && load < 1.1)
	return sameLoad && goodput < 0.9 && float64(attempts)/float64(sent) > 1.1*n.amplification
}

// Summarize fills a fault's own figures from those of the streams that it touched: the first detection, the slowest recovery.
// The others that changed are told apart.
func Summarize(f *reports.Fault, touched func(stream string) bool) {
	f.RecoveryGoal = goal
	for name, r := range f.PerStream {
		if !touched(name) {
			if r.DetectionNS != nil || r.Recovered != nil && !*r.Recovered {
				f.AlsoChanged = append(f.AlsoChanged, name)
			}
			f.Untouched = append(f.Untouched, name)
			continue
		}
		if r.DetectionNS != nil && (f.DetectionNS == nil || *r.DetectionNS < *f.DetectionNS ||
			*r.DetectionNS == *f.DetectionNS && name < f.DetectedBy) {
			f.DetectionNS, f.DetectedBy = r.DetectionNS, name
		}
		if r.Metastable != nil && (f.Metastable == nil || *r.Metastable) {
			f.Metastable = r.Metastable
		}
	}
	slices.Sort(f.AlsoChanged)
	slices.Sort(f.Untouched)
	f.Recovered, f.RecoveryNS = allRecovered(f)
}

// allRecovered: false as soon as one stream did not recover, unknown as soon as one is unknown, otherwise the slowest.
func allRecovered(f *reports.Fault) (*bool, *int64) {
	var slowest *int64
	known := len(f.PerStream) > len(f.Untouched)
	for _, name := range slices.Sorted(maps.Keys(f.PerStream)) {
		if slices.Contains(f.Untouched, name) {
			continue
		}
		r := f.PerStream[name]
		switch {
		case r.Recovered == nil:
			known = false
		case !*r.Recovered:
			f.Unrecovered = append(f.Unrecovered, name)
		case slowest == nil || *r.RecoveryNS > *slowest:
			slowest, f.SlowestBack = r.RecoveryNS, name
		}
	}
	if len(f.Unrecovered) > 0 {
		return ptr(false), nil
	}
	if !known {
		return nil, nil
	}
	return ptr(true), slowest
}

func ptr[T any](v T) *T { return &v }
