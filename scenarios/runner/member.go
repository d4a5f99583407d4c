package runner

import (
	"math"
	"time"

	"wringer/drivers"
	"wringer/reports"
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
	// summed holds the measures of the windows that did not change since they were summed up: a partial record is made each
	// second, and summing up is slow (0.2 ms a window).
	summed map[int]summed
}

type summed struct {
	length   time.Duration
	measures reports.Measures
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

// add folds slots into the tally.
func (m *member) add(taken map[int]*metrics.Cell) {
	for slot := range taken {
		delete(m.summed, m.tally.slots.Slot(slot).Window)
	}
	m.tally.add(taken)
}

// measures sums up a window of that length. Maps and pointers in it are shared between calls: the caller does not change them.
func (m *member) measures(window int, length time.Duration) reports.Measures {
	if s, ok := m.summed[window]; ok && s.length == length {
		return s.measures
	}
	if m.summed == nil {
		m.summed = make(map[int]summed)
	}
	s := summed{length, m.tally.windows[window].Measures(length)}
	m.summed[window] = s
	return s.measures
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
