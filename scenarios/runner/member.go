package runner

import (
	"math"
	"time"

	"wringer/drivers"
	"wringer/reports/arrivals"
	"wringer/reports/metrics"
	"wringer/scenarios"
	"wringer/scenarios/runner/traffic"
)

// member is one stream of a run: its traffic, the accounts that observe it, and what was measured of it.
type member struct {
	spec    *scenarios.Stream
	env     drivers.Env
	driver  drivers.Driver    // nil: the stream consumes and sends nothing
	traffic *traffic.Stream   // nil: the same
	effects *observer         // nil: nothing is observed
	witness *arrivals.Account // nil: no witness
	replays *replayAccount    // nil: no operation is replayed
	tally   *tally
}

// closed says whether the stream is of the closed model. A stream that consumes has no planned starts either.
func (m *member) closed() bool { return m.traffic == nil || m.traffic.Closed() }

// inFlight is the number of operations under way.
func (m *member) inFlight() int64 {
	if m.traffic == nil {
		return 0
	}
	return m.traffic.InFlight()
}

// open returns the sums of the slots that may still change.
func (m *member) open() map[int]*metrics.Cell {
	if m.traffic == nil {
		return nil
	}
	return m.traffic.Open()
}

// consumerLag is subtracted from the clock of a stream that consumes: the second that just ended is complete a second later.
const consumerLag = time.Second

// take removes and returns the slots that can no longer change. Before until, every slot was taken. rest: all that is left.
func (m *member) take(rest bool) (taken map[int]*metrics.Cell, until time.Duration) {
	switch {
	case m.traffic == nil && rest:
		return nil, math.MaxInt64
	case m.traffic == nil:
		return nil, m.env.Clock() - consumerLag
	case rest:
		return m.traffic.TakeRest()
	}
	return m.traffic.Take()
}

// follow subscribes the stream's checks to its finished operations.
func (m *member) follow(account *arrivals.Account, windows []string) {
	if m.effects != nil && m.effects.ledger != nil {
		m.traffic.Follow(m.effects.ledger)
	}
	if m.effects != nil && m.effects.times != nil {
		m.traffic.Follow(m.effects.times)
	}
	if account != nil {
		m.witness = account
		m.traffic.Follow(account)
	}
	if m.env.Replay != nil {
		replays := newReplayAccount(m.spec.Name, m.env.Identity, windows)
		if m.traffic.Replay(replays) {
			m.replays = replays
		}
	}
}
