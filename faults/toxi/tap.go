package toxi

import (
	"time"

	"wringer/faults"
)

var _ faults.Tapped = (*Link)(nil)

// tap is what a tap looks at, and what it counts.
type tap struct {
	match  func(address string) bool
	counts func(faults.Passing) bool
}

// Tap implements faults.Tapped.
func (l *Link) Tap(match func(address string) bool, counts func(faults.Passing) bool) faults.Fault {
	return &Fault{link: l, tap: &tap{match, counts}}
}

// taps reports whether the fault is a tap that looks at a connection.
func (f *activeFault) taps(on *flow) bool { return f.tap != nil && f.tap.match(on.address) }

// taps are the faults that look at a connection.
func (a *activeFaults) taps(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.taps(on) })
}

// tapRule looks at the traffic of the connections that a tap looks for.
type tapRule struct{ *activeFault }

func newTapRule(f *activeFault) rule { return tapRule{f} }

func (t tapRule) add(r *laneRules, on *flow, _ direction) {
	if t.taps(on) {
		r.taps = append(r.taps, t.activeFault)
	}
}

// seen are the bytes that a tap saw on one connection, by direction: in all, and since the other direction last spoke.
type seen struct{ total, run [2]int64 }

// shows shows taps what passes. They count what they want counted.
func (f *flow) shows(taps []*activeFault, d direction, kind faults.PassingKind, n int) {
	if f.probing {
		return
	}
	for i, by := range taps {
		if by.tap.counts(f.passing(by, d, kind, int64(n))) {
			f.charge(taps[i:i+1], d, n)
		}
	}
}

func (f *flow) passing(by *activeFault, d direction, kind faults.PassingKind, n int64) faults.Passing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.seen[by]
	if s == nil {
		s = &seen{}
		if f.seen == nil {
			f.seen = map[*activeFault]*seen{}
		}
		f.seen[by] = s
	}
	if n > 0 {
		s.total[d] += n
		s.run[d] += n
		s.run[1-d] = 0
	}
	return faults.Passing{
		Kind: kind, FromTarget: d == fromTarget, Bytes: n, Total: s.total[d], Asked: s.total[toTarget], Run: s.run[d],
		Since: time.Since(later(by.since, f.born)),
	}
}

// readerEnded resets a connection whose bytes in a direction have no reader any more.
func (f *flow) readerEnded(d direction) {
	if d == toTarget && !f.over() {
		f.shows(f.link.active.Load().taps(f), fromTarget, faults.PassedEnd, 0)
	}
	f.abort()
}
