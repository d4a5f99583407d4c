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
		errors:        failed(&m.Counts),
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
			n.worstErrors = max(n.worstErrors, failed(&s.Counts))
		}
		if s.P99NS != nil {
			n.worstP99 = max(n.worstP99, time.Duration(*s.P99NS))
		}
	}
	return n, true
}

// failed is the share of the offered operations that the target did not ack. What the load generator did not send makes no picture of
// the target worse.
func failed(c *reports.Counts) float64 {
	return 1 - float64(c.Acked+c.DroppedByUs)/float64(c.Offered)
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

// silent reports whether a second says nothing: nothing was due in it. Users of a closed stream who began nothing were busy, unless the
// baseline has such seconds too.
func (n Normal) silent(s *reports.Second) bool {
	if n.calm != nil && !s.Busy {
		return n.calm.silent(s)
	}
	return s.Offered == 0 && !n.fewer(s)
}

// fewer reports whether a closed stream got less done than in the baseline.
func (n Normal) fewer(s *reports.Second) bool {
	return n.closed && float64(s.Acked) < min(closedSlack*n.acked, n.worstAcked)
}

// good reports whether a second that is not silent is like the baseline.
func (n Normal) good(s *reports.Second) bool {
	if n.calm != nil && !s.Busy {
		return n.calm.good(s)
	}
	if n.fewer(s) || n.failing(s) {
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

// undecided says whether a second may be bad by the load generator's doing: it was saturated, or the second is good without its lag and
// what it did not send.
func (n Normal) undecided(s *reports.Second) bool {
	if s.Limited || s.BestP99NS == nil {
		return s.Limited
	}
	best := *s
	best.Acked += s.DroppedByUs
	best.P99NS = s.BestP99NS
	return n.good(&best)
}

// shows says whether row i shows a fault: by its errors at once, by its times or its rate only when the next second is bad too.
func (n Normal) shows(rows []reports.Second, i int, until time.Duration) bool {
	switch {
	case n.silent(&rows[i]) || n.good(&rows[i]) || n.undecided(&rows[i]):
		return false
	case n.failing(&rows[i]):
		return true
	}
	for i++; i < len(rows) && n.silent(&rows[i]); i++ {
	}
	if i == len(rows) || time.Duration(rows[i].StartNS)+time.Second > until {
		return false
	}
	return !n.good(&rows[i]) && !n.undecided(&rows[i])
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
		case n.silent(&rows[i]):
			if at >= end {
				sure.pass(at)
			}
			continue
		case at+time.Second <= start:
			r.BadBefore = !n.good(&rows[i]) && !n.undecided(&rows[i])
			continue
		case at < end:
			if r.DetectionNS == nil && !r.BadBefore && n.shows(rows, i, until) {
				r.DetectionNS = ptr(int64(max(at-start, 0)))
			}
			continue
		}
		after++
		open := n.blind && !rows[i].Busy // it is good by a busy baseline alone
		good, undecided := n.good(&rows[i]), n.undecided(&rows[i])
		unsure = unsure || undecided && !good || rows[i].Limited || open
		all.add(at, good && !open)
		if good || !undecided {
			sure.add(at, good)
		}
	}
	if all.found {
		r.RecoveryNS, r.Recovered = ptr(int64(all.first-end)), ptr(true)
		if earliest := sure.earliest(); earliest < all.first {
			r.RecoveryFromNS = ptr(int64(earliest - end))
		}
	}
	// Recovery stays undecided if too few good seconds stand at the end, or if too few seconds remained. It is undecided too if
	// bad ones may be the load generator's doing.
	if r.Recovered == nil && after >= goodSeconds && all.run == 0 && !unsure {
		r.Recovered = ptr(false)
	}
	if after >= metastableAfter {
		r.Metastable = ptr(n.metastable(rows, until))
	}
	return r
}

// streak looks for the first goodSeconds good seconds in a row, among those that are added. What is not added says nothing.
type streak struct {
	run   int           // good seconds in a row so far
	first time.Duration // start of the row
	found bool
	// quiet: seconds passed before the row that say nothing, from since on.
	quiet bool
	since time.Duration
}

// pass passes a second that says nothing.
func (s *streak) pass(at time.Duration) {
	if s.run == 0 && !s.quiet && !s.found {
		s.quiet, s.since = true, at
	}
}

// earliest is the earliest time at which the row may have begun.
func (s *streak) earliest() time.Duration {
	if s.quiet {
		return s.since
	}
	return s.first
}

func (s *streak) add(at time.Duration, good bool) {
	switch {
	case !good:
		s.run, s.quiet = 0, s.quiet && s.found
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
