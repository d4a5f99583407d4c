package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/faults"
)

// fulfilment reads order-events and publishes a shipment for each order, once.
//
// It works in steps: some events of one partition, shipped together. A kill takes effect between two steps, so that
// remembering an order as shipped and publishing its shipment are one, as they would be in a transaction; what was not
// committed by then is delivered again, and recognised. It is a faults.Part.
type fulfilment struct {
	network   faults.Network
	brokers   []string
	shipments *publisher
	ledger    *ledger
	defects   defects

	// shipped is the database of what was done; it outlives a kill.
	shipped    *boundedMap[string, bool]
	pausePoint pausePoint

	mu      sync.Mutex
	member  *member // nil once killed and ended
	inForce map[string]bool
	// met is what met the part in earlier pauses and kills; since is the count of events at the start of this one, less
	// what was under way then.
	metBefore, publishedAtStart int64
}

// member is one life of fulfilment, between a start and a kill.
type member struct {
	kill   context.CancelFunc
	killed bool          // guarded by fulfilment.mu; it may take a step yet until it has ended
	joined chan struct{} // closed once partitions were assigned
	ended  chan struct{}

	once     sync.Once
	underway atomic.Int64 // events taken from the brokers and not dealt with
}

const (
	partFulfilment = "fulfilment"
	fulfilmentName = "fulfilment" // of the consumer group
	maxStep        = 64           // events of a step
	commitEvery    = 100 * time.Millisecond
	rejoinPause    = 50 * time.Millisecond

	// commit-first: what is committed waits in a queue for the next round of work.
	prefetchQueue = 64
	workEvery     = 200 * time.Millisecond
	// redeliver: how long what is done stays uncommitted.
	rareCommitEvery = 3 * time.Second
)

type shipment struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Origin     string `json:"origin"` // the event's partition/offset
}

// openFulfilment starts it and returns when it has its partitions.
func openFulfilment(ctx context.Context, network faults.Network, addresses []string, shipments *publisher, l *ledger, d defects) (*fulfilment, error) {
	f := &fulfilment{
		network: network, brokers: addresses, shipments: shipments, ledger: l, defects: d,
		shipped: newBoundedMap[string, bool](memoryLimit),
		inForce: make(map[string]bool),
	}
	if err := errors.Join(f.Start(ctx), f.Ready(ctx)); err != nil {
		f.close()
		return nil, fmt.Errorf("shop: start fulfilment: %w", err)
	}
	return f, nil
}

func groupConfig(network faults.Network) *sarama.Config {
	c := clientConfig(network)
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false // it would commit on leaving, which a killed process cannot
	c.Consumer.Retry.Backoff = rejoinPause
	c.Consumer.Group.Rebalance.Retry.Backoff = rejoinPause
	// Longer than any pause of the brokers: the group's clock runs on while they are frozen.
	c.Consumer.Group.Session.Timeout = time.Minute
	c.Consumer.Group.Heartbeat.Interval = 3 * time.Second
	if network.Virtual {
		// A heartbeat that frozen brokers do not answer holds the mutex that commits need, see brokers.spread: the first
		// heartbeat comes after the longest session that the brokers allow, and so after the end of a scenario.
		c.Consumer.Group.Session.Timeout = mostSession
		c.Consumer.Group.Heartbeat.Interval = mostSession - time.Second
	}
	return c
}

// Start implements faults.Part. Ready tells when it works again.
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

// live is one life: it ends by its kill alone.
func (f *fulfilment) run(ctx context.Context, m *member) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := f.consume(ctx, m); err != nil {
			sleep(ctx, rejoinPause)
		}
	}
}

// consume works as a member of the group, one session after the other, until ctx ends or the brokers are lost.
func (f *fulfilment) consume(ctx context.Context, m *member) error {
	group, err := sarama.NewConsumerGroup(f.brokers, fulfilmentName, groupConfig(f.network))
	if err != nil {
		return err
	}
	defer group.Close() // the group learns that the member has gone, and waits for no time-out
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

// bury waits until a killed member has ended.
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

// close ends it without a bound of its own; steps end by themselves while the brokers answer.
func (f *fulfilment) close() { _ = f.Kill(context.Background()) }

// Pause implements faults.Part: the step under way is finished, the next one waits.
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

// breakBy begins to count what meets the broken part: events under way, and those published from now on. f.mu is held.
func (f *fulfilment) startCounting(verb string) {
	if len(f.inForce) == 0 {
		f.publishedAtStart = f.ledger.count().EventsPublished
		if f.member != nil {
			f.publishedAtStart -= f.member.underway.Load()
		}
	}
	f.inForce[verb] = true
}

// mend: f.mu is held.
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

// session handles the partitions of one generation of the group. It is a sarama.ConsumerGroupHandler.
type session struct {
	fulfilment *fulfilment
	member     *member
	prefetched chan *sarama.ConsumerMessage // commit-first
	helpers    sync.WaitGroup
}

func (s *session) Setup(group sarama.ConsumerGroupSession) error {
	switch d := s.fulfilment.defects; {
	case d[CommitFirst]:
		s.prefetched = make(chan *sarama.ConsumerMessage, prefetchQueue)
		s.helpers.Go(func() { s.shipPrefetched(group.Context()) })
	case d[Redeliver]:
		s.helpers.Go(func() { commitOften(group, rareCommitEvery) })
	default:
		s.helpers.Go(func() { commitOften(group, commitEvery) })
	}
	s.member.once.Do(func() { close(s.member.joined) })
	return nil
}

func (s *session) Cleanup(sarama.ConsumerGroupSession) error {
	s.helpers.Wait()
	return nil
}

// commitOften commits what is marked, until the session ends.
func commitOften(group sarama.ConsumerGroupSession, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			group.Commit()
		case <-group.Context().Done():
			return
		}
	}
}

// ConsumeClaim works on one partition until the session ends.
func (s *session) ConsumeClaim(group sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := group.Context()
	for {
		step := take(ctx, claim.Messages())
		if len(step) == 0 {
			return nil
		}
		if !s.work(ctx, group, step) {
			return nil
		}
	}
}

// take waits for a message and returns it with those that wait behind it; nothing when the session has ended.
func take(ctx context.Context, messages <-chan *sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	var step []*sarama.ConsumerMessage
	select {
	case m, open := <-messages:
		if !open {
			return nil
		}
		step = append(step, m)
	case <-ctx.Done():
		return nil
	}
	for len(step) < maxStep {
		select {
		case m, open := <-messages:
			if !open {
				return step
			}
			step = append(step, m)
		default:
			return step
		}
	}
	return step
}

// work does one step, or reports false when a kill came first. Its end is the step's boundary.
func (s *session) work(ctx context.Context, group sarama.ConsumerGroupSession, step []*sarama.ConsumerMessage) bool {
	last := step[len(step)-1]
	if s.prefetched != nil {
		group.MarkMessage(last, "")
		group.Commit()
		return s.prefetch(ctx, step)
	}
	if !s.shipAll(ctx, step) {
		return false
	}
	group.MarkMessage(last, "")
	return true
}

// prefetch is commit-first: a kill loses what is in the queue.
func (s *session) prefetch(ctx context.Context, step []*sarama.ConsumerMessage) bool {
	for _, m := range step {
		select {
		case s.prefetched <- m:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// workOff is commit-first: it works in rounds, on a full queue at once.
func (s *session) shipPrefetched(ctx context.Context) {
	tick := time.NewTicker(workEvery)
	defer tick.Stop()
	var round []*sarama.ConsumerMessage
	for {
		due := false
		select {
		case m := <-s.prefetched:
			round = append(round, m)
		case <-tick.C:
			due = true
		case <-ctx.Done():
			return
		}
		if len(round) == 0 || !due && len(round) < prefetchQueue {
			continue
		}
		if !s.shipAll(ctx, round) {
			return
		}
		round = round[:0]
	}
}

// shipAll is a step: it ships the orders of these events that were not shipped before. It reports false when nothing of
// it was begun. Once begun it is not interrupted.
func (s *session) shipAll(ctx context.Context, events []*sarama.ConsumerMessage) bool {
	s.member.underway.Add(int64(len(events)))
	defer s.member.underway.Add(int64(-len(events)))
	if !s.fulfilment.pausePoint.wait(ctx.Done()) || ctx.Err() != nil {
		return false
	}
	var receipts []*receipt
	for _, event := range events {
		if r := s.fulfilment.ship(event); r != nil {
			receipts = append(receipts, r)
		}
	}
	for _, r := range receipts {
		<-r.done // the publisher gives up only when the shop closes
	}
	return true
}

// ship publishes the shipment of an event, or returns nil when there is nothing to ship.
func (f *fulfilment) ship(event *sarama.ConsumerMessage) *receipt {
	var order request
	if err := json.Unmarshal(event.Value, &order); err != nil {
		return nil // not from the order service: the topic is open to everyone
	}
	if !f.defects[Redeliver] {
		if _, fresh := f.shipped.getOrPut(order.OrderID, func() bool { return true }); !fresh {
			return nil
		}
	}
	origin := fmt.Sprintf("%d/%d", event.Partition, event.Offset)
	value, _ := json.Marshal(shipment{order.OrderID, order.CustomerID, origin}) // strings: cannot fail
	return f.shipments.publish(nil, topicShipments, order.CustomerID, value, func(err error) {
		if err == nil {
			f.ledger.add(Shipped, order.OrderID)
		}
	})
}
