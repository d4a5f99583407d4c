package shop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/faults"
)

// fulfilment reads order-events and publishes one shipment for each order. It is a faults.Part.
//
// It works in steps: some events of one partition, shipped together. A kill takes effect between two steps. So marking an
// order as shipped and publishing its shipment are atomic, as in a transaction. Events that were not committed by then are
// delivered again, and recognised.
type fulfilment struct {
	network   faults.Network
	brokers   []string
	timeout   time.Duration // of the group's session: so long after a kill -9 its partitions go to another member
	shipments *publisher
	ledger    *ledger
	defects   defects

	// shipped is the database of shipped orders. It survives a kill.
	shipped    *boundedMap[string, bool]
	pausePoint pausePoint
	// leaving says that marked offsets are committed when the session ends. A killed process could not do that.
	leaving atomic.Bool

	mu      sync.Mutex
	member  *member // nil once killed and ended
	inForce map[string]bool
	// metBefore counts what met the part in earlier pauses and kills. publishedAtStart is the number of published events
	// when this one began, less the events in flight then.
	metBefore, publishedAtStart int64
}

// member is one run of fulfilment, between a start and a kill.
type member struct {
	kill   context.CancelFunc
	killed bool          // guarded by fulfilment.mu; a step may still be running until ended is closed
	joined chan struct{} // closed once partitions were assigned
	ended  chan struct{}

	once     sync.Once
	underway atomic.Int64 // events taken from the brokers and not processed yet
}

const (
	partFulfilment = "fulfilment"
	fulfilmentName = "fulfilment" // of the consumer group
	maxStep        = 64           // events per step
	commitEvery    = 100 * time.Millisecond
	rejoinPause    = 50 * time.Millisecond
	// brokersSession is the session's time-out at the embedded brokers. It outlasts any pause of them: the group's clock runs on
	// while they are frozen.
	brokersSession = time.Minute

	// commit-first: committed events wait in a queue for the next round of work.
	prefetchQueue = 64
	workEvery     = 200 * time.Millisecond
	// redeliver: how long processed events stay uncommitted.
	rareCommitEvery = 3 * time.Second
)

type shipment struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Origin     string `json:"origin"` // the event's partition/offset
}

// open starts fulfilment and returns once it has its partitions.
func (f *fulfilment) open(ctx context.Context) error {
	if err := errors.Join(f.Start(ctx), f.Ready(ctx)); err != nil {
		f.close()
		return fmt.Errorf("shop: start fulfilment: %w", err)
	}
	return nil
}

func groupConfig(network faults.Network, timeout time.Duration) *sarama.Config {
	c := clientConfig(network)
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false // automatic commits would also happen on leaving; a killed process cannot commit
	c.Consumer.Retry.Backoff = rejoinPause
	c.Consumer.Group.Rebalance.Retry.Backoff = rejoinPause
	c.Consumer.Group.Session.Timeout = timeout
	c.Consumer.Group.Heartbeat.Interval = min(3*time.Second, timeout/3)
	if network.Virtual {
		// A heartbeat that frozen brokers do not answer holds the mutex that commits need, see brokers.spread. The first
		// heartbeat therefore comes after the longest session that the brokers allow, which is after the end of a scenario.
		c.Consumer.Group.Session.Timeout = mostSession
		c.Consumer.Group.Heartbeat.Interval = mostSession - time.Second
	}
	return c
}

// Start implements faults.Part. Ready says when it works again.
func (f *fulfilment) Start(ctx context.Context) error {
	f.mu.Lock()
	dying := f.member
	if dying != nil && !dying.killed {
		f.mu.Unlock()
		return nil
	}
	f.mu.Unlock()
	if dying != nil {
		if err := f.awaitEnd(ctx, dying); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.member != nil {
		return nil
	}
	memberCtx, kill := context.WithCancel(context.Background())
	f.member = &member{kill: kill, joined: make(chan struct{}), ended: make(chan struct{})}
	f.stopCounting("kill")
	go f.run(memberCtx, f.member)
	return nil
}

// run consumes until its kill.
func (f *fulfilment) run(ctx context.Context, m *member) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := f.consume(ctx, m); err != nil {
			sleep(ctx, rejoinPause)
		}
	}
}

// consume takes part in the group, one session after another, until ctx ends or the brokers are lost.
func (f *fulfilment) consume(ctx context.Context, m *member) error {
	group, err := sarama.NewConsumerGroup(f.brokers, fulfilmentName, groupConfig(f.network, f.timeout))
	if err != nil {
		return err
	}
	defer group.Close() // the group learns at once that the member has left, without a timeout
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topicOrderEvents}, &session{fulfilment: f, member: m}); err != nil {
			return err
		}
	}
	return nil
}

// Kill implements faults.Part.
func (f *fulfilment) Kill(ctx context.Context) error {
	f.mu.Lock()
	m := f.member
	if m == nil {
		f.mu.Unlock()
		return nil
	}
	if !m.killed {
		f.startCounting("kill")
		m.killed = true
		m.kill()
	}
	f.mu.Unlock()
	return f.awaitEnd(ctx, m)
}

// awaitEnd waits until a killed member has ended.
func (f *fulfilment) awaitEnd(ctx context.Context, m *member) error {
	select {
	case <-m.ended:
	case <-ctx.Done():
		return fmt.Errorf("fulfilment is killed, and still in its last step: %w", ctx.Err())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.member == m {
		f.member = nil
	}
	return nil
}

// drain ends fulfilment in good order, at most until ctx ends: what it did is committed.
func (f *fulfilment) drain(ctx context.Context) {
	f.leaving.Store(true)
	_ = f.Kill(ctx) // close waits on
}

// close ends fulfilment, without a bound of its own. Steps end by themselves while the brokers answer.
func (f *fulfilment) close() { _ = f.Kill(context.Background()) }

// Pause implements faults.Part. The current step is finished; the next one waits.
func (f *fulfilment) Pause(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.startCounting("pause")
	f.pausePoint.pause()
	return nil
}

// Resume implements faults.Part.
func (f *fulfilment) Resume(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pausePoint.resume()
	f.stopCounting("pause")
	return nil
}

// startCounting starts to count what meets the broken part: the events in flight, and events published from now on. f.mu is
// held.
func (f *fulfilment) startCounting(verb string) {
	if len(f.inForce) == 0 {
		f.publishedAtStart = f.ledger.count().EventsPublished
		if f.member != nil {
			f.publishedAtStart -= f.member.underway.Load()
		}
	}
	f.inForce[verb] = true
}

// stopCounting ends the count of one kind of fault. f.mu is held.
func (f *fulfilment) stopCounting(verb string) {
	if !f.inForce[verb] {
		return
	}
	delete(f.inForce, verb)
	if len(f.inForce) == 0 {
		f.metBefore += f.ledger.count().EventsPublished - f.publishedAtStart
	}
}

// Met implements faults.Part.
func (f *fulfilment) Met() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.inForce) == 0 {
		return f.metBefore
	}
	return f.metBefore + f.ledger.count().EventsPublished - f.publishedAtStart
}

// Ready implements faults.Part.
func (f *fulfilment) Ready(ctx context.Context) error {
	f.mu.Lock()
	m := f.member
	dead := m == nil || m.killed
	f.mu.Unlock()
	if dead {
		return errors.New("fulfilment is killed")
	}
	if f.pausePoint.paused() != nil {
		return errors.New("fulfilment is paused")
	}
	select {
	case <-m.joined:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("fulfilment has no partitions yet: %w", ctx.Err())
	}
}
