package toxi

import (
	"math/rand/v2"
	"slices"
	"time"

	"wringer/faults"
)

// direction is one of the two directions of a link.
type direction int

const (
	toTarget direction = iota
	fromTarget
)

func (d direction) String() string { return [...]string{"to-target", "from-target"}[d] }

// activeFaults are the faults in force on a link. The value never changes: another one replaces it, and changed is
// closed then.
type activeFaults struct {
	faults  []*activeFault
	closed  bool
	changed chan struct{}
	// byRequest: some faults act on a share of the requests, so the rules of a connection may change with each
	// request.
	byRequest bool
}

func newActiveFaults(active []*activeFault) *activeFaults {
	return &activeFaults{
		faults: active, changed: make(chan struct{}),
		byRequest: slices.ContainsFunc(active, func(f *activeFault) bool { return f.config.Requests != 0 }),
	}
}

// activeFault is a fault while it is in force.
type activeFault struct {
	*Fault
	since time.Time
	// before is the highest connection number at that time.
	before uint64
	delay  delay
	rules  []rule // one for each kind that is set
}

func newActiveFault(f *Fault, before uint64) *activeFault {
	now := &activeFault{Fault: f, since: time.Now(), before: before}
	now.delay = delay{Latency: f.config.Latency, since: f.begun, over: f.lasts, spread: f.spread}
	now.rules = newRules(now)
	return now
}

// picks reports whether the fault acts on a connection, and on a request of it. Requests count from 1. With request 0
// a fault on a share of the requests does not act. The same seed gives the same answer.
func (f *activeFault) picks(on *flow, request uint64) bool {
	if f.config.Requests != 0 && request == 0 || !f.aim.Covers(on.address, on.reached) {
		return false
	}
	return picks(f.config.Connections, f.seed, on.id, 0) && picks(f.config.Requests, f.seed, on.id, request)
}

// picks draws for a connection and a number on it. Share 0 picks all.
func picks(s faults.Share, seed, connection, number uint64) bool {
	return s == 0 || rand.New(rand.NewPCG(seed^number<<32, connection)).Float64() < float64(s)
}

// silences reports whether the fault silences a connection.
func (f *activeFault) silences(on *flow) bool {
	return f.config.HalfOpen != "" && (f.config.HalfOpen == Accepting || on.id <= f.before) && f.picks(on, 0)
}

// silences reports whether any fault silences a connection.
func (a *activeFaults) silences(on *flow) bool {
	return slices.ContainsFunc(a.faults, func(f *activeFault) bool { return f.silences(on) })
}

// resets reports whether the fault resets a connection when the fault comes into force.
func (f *activeFault) resets(on *flow) bool {
	return (f.config.Refuse || f.config.Reset && f.config.Requests == 0) && f.picks(on, 0)
}

// refusing are the faults that refuse a new connection. resetting are those that reset an existing one.
func (a *activeFaults) refusing(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.config.Refuse && f.picks(on, 0) })
}

func (a *activeFaults) resetting(on *flow) []*activeFault {
	return a.selectBy(func(f *activeFault) bool { return f.resets(on) })
}

func (a *activeFaults) selectBy(do func(f *activeFault) bool) (them []*activeFault) {
	for _, f := range a.faults {
		if do(f) {
			them = append(them, f)
		}
	}
	return them
}

// idle reports whether bytes pass without any fault.
func (a *activeFaults) idle() bool { return len(a.faults) == 0 && !a.closed }
