package churn

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
)

// Consumer is a member of a group from its join to its leave or death.
type Consumer interface {
	// Freezer holds the consumer while it is frozen.
	Freezer() *Freezer
	// Leave finishes what is in hand, leaves in good order, and returns. Idempotent, also after Die.
	Leave()
	// Die ends everything at once, as the death of a process does. From then on the consumer reports nothing.
	Die()
}

// Members is a group whose members the schedule strikes.
type Members struct {
	Count   int
	Strikes []Strike             // of all members, in order
	Clock   func() time.Duration // the run's
	Emit    func(drivers.GroupEvent)
	Join    func(number int) Consumer // begins a consumer in the place of a member, the first is 1
}

// Run lets all members take part until ctx ends, except during their strikes. It returns when all have left.
func (m *Members) Run(ctx context.Context) {
	var members sync.WaitGroup
	for n := range m.Count {
		var strikes []Strike
		for _, s := range m.Strikes {
			if s.Member == n {
				strikes = append(strikes, s)
			}
		}
		members.Go(func() { m.run(ctx, n+1, strikes) })
	}
	members.Wait()
}

// run keeps one member's place. One consumer after another takes it.
func (m *Members) run(ctx context.Context, number int, strikes []Strike) {
	c := m.join(number)
	defer func() { c.Leave() }()
	for _, s := range strikes {
		if !m.waitUntil(ctx, s.At) {
			return
		}
		switch s.Kind {
		case Freeze:
			c.Freezer().Freeze()
			m.emit(number, drivers.Froze)
			m.waitUntil(ctx, s.End)
			m.emit(number, drivers.Thawed)
			c.Freezer().Thaw()
			continue
		case Die:
			c.Die()
			m.emit(number, drivers.Died)
		default:
			c.Leave()
			m.emit(number, drivers.Left)
		}
		if !m.waitUntil(ctx, s.End) {
			return
		}
		c = m.join(number)
	}
	<-ctx.Done()
}

func (m *Members) join(number int) Consumer {
	m.emit(number, drivers.Joined)
	return m.Join(number)
}

// waitUntil waits for a time of the run's clock. It returns false if ctx ends first.
func (m *Members) waitUntil(ctx context.Context, at time.Duration) bool {
	for wait := at - m.Clock(); wait > 0; wait = at - m.Clock() {
		if !drivers.Pause(ctx, wait) {
			return false
		}
	}
	return ctx.Err() == nil
}

func (m *Members) emit(number int, kind drivers.GroupKind) {
	m.Emit(drivers.GroupEvent{Kind: kind, Member: number, At: m.Clock()})
}
