package kafka

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// member is one place in a group. One consumer after another takes it.
type member struct {
	group   *consumers
	number  int
	strikes []strike // in order
}

// leaveLimit is how long beyond its session a consumer may take to leave gracefully. Then its connections are cut.
const leaveLimit = 5 * time.Second

// run takes part in the group until ctx ends, except during the member's strikes.
func (m *member) run(ctx context.Context) {
	c := m.join()
	defer func() { c.leave() }()
	for _, s := range m.strikes {
		if !m.waitUntil(ctx, s.at) {
			return
		}
		switch s.kind {
		case strikeFreeze:
			c.freezer.freeze()
			m.emit(drivers.Froze)
			m.waitUntil(ctx, s.end)
			m.emit(drivers.Thawed)
			c.freezer.thaw()
			continue
		case strikeDie:
			c.die()
			m.emit(drivers.Died)
		default:
			c.leave()
			m.emit(drivers.Left)
		}
		if !m.waitUntil(ctx, s.end) {
			return
		}
		c = m.join()
	}
	<-ctx.Done()
}

// waitUntil waits for a time of the run's clock. It returns false if ctx ends first.
func (m *member) waitUntil(ctx context.Context, at time.Duration) bool {
	for wait := at - m.group.env.Clock(); wait > 0; wait = at - m.group.env.Clock() {
		if !pause(ctx, wait) {
			return false
		}
	}
	return ctx.Err() == nil
}

func (m *member) emit(kind drivers.GroupKind) {
	m.group.emit(drivers.GroupEvent{Kind: kind, Member: m.number, At: m.group.env.Clock()})
}

// consumer is a member from its join to its leave or death: a client with connections of its own. It is sarama's handler of
// the group's sessions.
type consumer struct {
	member  *member
	group   *consumers
	network *network
	freezer *freezer
	stop    context.CancelFunc // ends the consumer's part in the group
	ended   chan struct{}      // closed when everything of the consumer has ended
	death   chan struct{}      // closed when the consumer is dead
	commits sync.WaitGroup     // the goroutines that commit periodically

	mu   sync.Mutex
	dead bool
}

// join starts a consumer.
func (m *member) join() *consumer {
	c := m.prepare()
	c.start()
	return c
}

func (m *member) prepare() *consumer {
	c := &consumer{member: m, group: m.group, freezer: newFreezer(), ended: make(chan struct{}), death: make(chan struct{})}
	c.network = newNetwork(func(ctx context.Context, network, address string) (net.Conn, error) {
		c.freezer.wait()
		return m.group.env.Dial(ctx, network, address)
	}, patience(m.group.env.Timeout), m.group.brokers)
	c.network.tlsConfig = m.group.tlsConfig
	c.network.wrap = func(conn net.Conn, _ string) net.Conn { return &frozenConn{conn, c.freezer} }
	return c
}

// start joins the group.
func (c *consumer) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.member.emit(drivers.Joined)
	go c.run(ctx)
}

// run takes part in one session after another.
func (c *consumer) run(ctx context.Context) {
	defer close(c.ended)
	var sessions sarama.ConsumerGroup
	for ctx.Err() == nil {
		var err error
		if sessions == nil {
			sessions, err = sarama.NewConsumerGroup(c.group.brokers, c.group.id, c.group.client(c.network))
		}
		if err == nil {
			err = sessions.Consume(ctx, []string{c.group.topic}, c)
		} else {
			sessions = nil // a nil pointer in an interface is not nil
		}
		if err != nil && ctx.Err() == nil {
			c.group.noteFailure(err)
			pause(ctx, backoff)
		}
	}
	if sessions != nil {
		_ = sessions.Close() // leaves the group while the network is still open
	}
}

// leave finishes the records in hand, commits them as the policy says, leaves the group and returns. Idempotent.
func (c *consumer) leave() {
	c.stop()
	limit := time.NewTimer(c.group.config.session() + leaveLimit)
	defer limit.Stop()
	select {
	case <-c.ended:
	case <-limit.C: // a join that is never answered
	}
	c.network.close()
	<-c.ended
}

// die ends everything at once, as the death of a process does. From here on the consumer processes, commits and reports
// nothing.
func (c *consumer) die() {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	close(c.death)
	c.network.close()
	c.stop()
	<-c.ended
}

func (c *consumer) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// Setup implements sarama.ConsumerGroupHandler.
func (c *consumer) Setup(s sarama.ConsumerGroupSession) error {
	if len(s.Claims()[c.group.topic]) > 0 {
		c.group.assigned.Store(true)
	}
	c.emit(drivers.Assigned, s.GenerationID())
	context.AfterFunc(s.Context(), func() { c.emit(drivers.Revoked, s.GenerationID()) })
	if c.group.config.commit() == commitPeriodic {
		c.commits.Go(func() { c.commitPeriodically(s) })
	}
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler. It commits processed records before other members take over.
func (c *consumer) Cleanup(s sarama.ConsumerGroupSession) error {
	c.commits.Wait()
	if c.group.config.commit() == commitPeriodic && !c.isDead() {
		s.Commit()
	}
	return nil
}

// commitPeriodically commits the marked offsets until the session ends.
func (c *consumer) commitPeriodically(s sarama.ConsumerGroupSession) {
	every := c.group.config.Every
	if every == 0 {
		every = defaultCommitEvery
	}
	for pause(s.Context(), every) {
		if c.freezer.wait(); s.Context().Err() == nil && !c.isDead() {
			s.Commit()
		}
	}
}

func (c *consumer) emit(kind drivers.GroupKind, generation int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.group.emit(drivers.GroupEvent{Kind: kind, Member: c.member.number, Round: generation, At: c.group.env.Clock()})
	}
}

// ConsumeClaim implements sarama.ConsumerGroupHandler. It works batch by batch. A batch is finished even if the partition
// is revoked meanwhile, as well-behaved consumers do.
func (c *consumer) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		batch := c.take(s, claim)
		if len(batch) == 0 {
			return nil
		}
		last := batch[len(batch)-1]
		if c.group.config.commit() == commitBefore {
			s.MarkMessage(last, "")
			s.Commit()
		}
		for _, record := range batch {
			if !c.process(s, record) {
				return nil
			}
			if c.group.config.commit() == commitPeriodic {
				s.MarkMessage(record, "")
			}
		}
		if c.group.config.commit() == commitAfter {
			s.MarkMessage(last, "")
			s.Commit()
		}
	}
}

// take waits for a record, and adds the records that are ready, up to a batch. It returns nothing when the claim has ended.
func (c *consumer) take(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) []*sarama.ConsumerMessage {
	c.freezer.wait()
	if s.Context().Err() != nil {
		return nil
	}
	var batch []*sarama.ConsumerMessage
	select {
	case <-s.Context().Done():
		return nil
	case record, ok := <-claim.Messages():
		if !ok {
			return nil
		}
		batch = append(batch, record)
	}
	for len(batch) < c.group.config.batch() {
		select {
		case record, ok := <-claim.Messages():
			if !ok {
				return batch
			}
			batch = append(batch, record)
		default:
			return batch
		}
	}
	return batch
}

// process works on a record. It returns false if the member died meanwhile.
func (c *consumer) process(s sarama.ConsumerGroupSession, record *sarama.ConsumerMessage) bool {
	c.freezer.wait()
	if work := c.group.config.Work; work > 0 {
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.death:
		}
		c.freezer.wait() // the consumer may have been frozen during the work
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	c.group.emit(drivers.GroupEvent{Kind: drivers.Processed, Member: c.member.number, Round: s.GenerationID(),
		Position: drivers.PositionIn(record.Partition, record.Offset), At: c.group.env.Clock()})
	return true
}
