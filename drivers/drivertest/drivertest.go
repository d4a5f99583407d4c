// Package drivertest is the conformance suite of drivers: whatever its protocol, a driver tells the truth about what
// became of an attempt, ends at its deadline, hides no transmission and leaves nothing behind.
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
//
//	func TestConformance(t *testing.T) {
//		drivertest.Run(t, drivertest.Subject{Start: startTarget, Codes: ...})
//	}
//
// The tests of the suite run in parallel. Therefore TestMain looks for the goroutines that a driver left behind.
//
// RawServer is what such a target, and any other test of a protocol's bad manners, can be built of.
package drivertest

import (
	"testing"

	"wringer/drivers"
)

// Behaviour is what a target does with every operation that reaches it.
type Behaviour string

const (
	Answer  Behaviour = "answer"  // does the operation, and says so
	Reject  Behaviour = "reject"  // refuses the operation, for a reason of the operation's own (HTTP 409)
	Fail    Behaviour = "fail"    // answers that it failed (HTTP 500)
	Hang    Behaviour = "hang"    // takes the operation and never answers
	Close   Behaviour = "close"   // takes the operation and closes the connection before the first byte of the answer
	Cut     Behaviour = "cut"     // closes the connection in the middle of the answer
	Reset   Behaviour = "reset"   // takes the operation and resets the connection (RST)
	Garbage Behaviour = "garbage" // answers with bytes that are no valid protocol
	Endless Behaviour = "endless" // sends an answer that is larger than any bound, or endless
	Nobody  Behaviour = "nobody"  // closes every connection and does not listen
)

// Behaviours lists all behaviours in the order of the tests.
var Behaviours = []Behaviour{Answer, Reject, Fail, Hang, Close, Cut, Reset, Garbage, Endless, Nobody}

// Target is a running target, and the configuration of a driver for it. It answers normally until told otherwise.
type Target struct {
	// Config opens the driver. Every operation of the driver goes to this target.
	Config drivers.Config
	// Behave sets the target's behaviour from now on. After Nobody, Answer listens again on the same port.
	Behave func(Behaviour)
	// Received counts the transmissions of operations since the start. It is nil if the target cannot count.
	Received func() int64
	// Close stops the target and waits for its goroutines.
	Close func()
}

// Subject is a driver under test.
type Subject struct {
	// Start starts a target.
	Start func(t testing.TB) Target
	// Skip names the behaviours that the protocol cannot have, each with the reason. The keys "cancel", "ended" and "many"
	// skip those tests.
	Skip map[Behaviour]string
	// Wants replaces what the suite expects of a behaviour, field by field.
	Wants map[Behaviour]Want
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	for _, b := range Behaviours {
		s.run(t, b, func(t *testing.T, r *rig) { r.behaviour(t, b, s.want(b)) })
	}
	s.run(t, "description", testDescription)
	s.run(t, "cancel", testCancel)
	s.run(t, "ended", testEnded)
	s.run(t, "many", testMany)
}

func (s Subject) run(t *testing.T, name Behaviour, test func(*testing.T, *rig)) {
	t.Run(string(name), func(t *testing.T) {
		if why := s.Skip[name]; why != "" {
			t.Logf("%s does not apply: %s", name, why)
			return
		}
		t.Parallel()
		target := s.Start(t)
		defer target.Close()
		r := openRig(t, target)
		defer r.close(t)
		test(t, r)
	})
}
