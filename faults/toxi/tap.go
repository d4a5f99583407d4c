package toxi

import "wringer/faults"

var _ faults.Tapped = (*Link)(nil)

// Tap implements faults.Tapped. A connection counts from its dial on.
func (l *Link) Tap(match func(address string) bool) faults.Fault { return &Fault{link: l, tap: match} }

// taps reports whether the fault is a tap that counts a connection.
func (f *activeFault) taps(on *flow) bool { return f.tap != nil && f.tap(on.address) }

// taps are the faults that count a connection.
func (a *activeFaults) taps(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.taps(on) })
}

// tapRule counts the traffic of the connections that a tap looks for.
type tapRule struct{ *activeFault }

func newTapRule(f *activeFault) rule { return tapRule{f} }

func (t tapRule) add(r *laneRules, on *flow, _ direction) {
	if t.taps(on) {
		r.meet(t.activeFault)
	}
}
