package kafka

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// member is one place in a group, which one consumer after the other takes.
type member struct {
	group   *consumers
	number  int
	strikes []strike // in order
}

// leaveLimit is how long beyond its session a consumer may take to leave in good order; then its connections are cut.
const leaveLimit = 5 * time.Second

// live takes part in the group until ctx ends, but for the member's strikes.
func (m *member) live(ctx context.Context) {
	c := m.join()
	defer func() { c.leave() }()
	for _, s := range m.strikes {
		if !m.until(ctx, s.at) {
			return
		}
		switch s.kind {
		case strikeFreeze:
			c.freezer.freeze()
			m.tell(drivers.Froze)
			m.until(ctx, s.end)
			m.tell(drivers.Thawed)
			c.freezer.thaw()
			continue
		case strikeDie:
			c.die()
			m.tell(drivers.Died)
		default:
			c.leave()
			m.tell(drivers.Left)
		}
		if !m.until(ctx, s.end) {
			return
		}
		c = m.join()
	}
	<-ctx.Done()
}

// until waits for a time of the run's clock, false when ctx ends first.
func (m *member) until(ctx context.Context, at time.Duration) bool {
	for wait := at - m.group.env.Clock(); wait > 0; wait = at - m.group.env.Clock() {
		if !pause(ctx, wait) {
			return false
		}
	}
	return ctx.Err() == nil
}

func (m *member) tell(kind drivers.GroupKind) {
	m.group.tell(drivers.GroupEvent{Kind: kind, Member: m.number, At: m.group.env.Clock()})
}

// consumer is a member from when it joins to when it leaves or dies: a client with connections of its own. It is sarama's
// handler of a group's sessions.
type consumer struct {
	member  *member
	group   *consumers
	network *network
	freezer *freezer
	stop    context.CancelFunc // of its part in the group
	ended   chan struct{}      // closed when nothing of it is left
	death   chan struct{}      // closed when it is dead
	commits sync.WaitGroup     // what commits periodically

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
		c.freezer.pass()
		return m.group.env.Dial(ctx, network, address)
	}, patience(m.group.env.Timeout))
	c.network.secure = m.group.secure
	c.network.wrap = func(conn net.Conn, _ string) net.Conn { return &frozenConn{conn, c.freezer} }
	return c
}

// start lets it join the group.
func (c *consumer) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.member.tell(drivers.Joined)
	go c.run(ctx)
}

// run takes part in one session after the other.
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
			sessions = nil // an interface that holds a nil pointer
		}
		if err != nil && ctx.Err() == nil {
			c.group.note(err)
			pause(ctx, backoff)
		}
	}
	if sessions != nil {
		_ = sessions.Close() // leaves the group, where the network still lives
	}
}

// leave finishes what is in hand, commits as the policy says, leaves the group and returns. Idempotent.
func (c *consumer) leave() {
	c.stop()
	limit := time.NewTimer(c.group.config.session() + leaveLimit)
	defer limit.Stop()
	select {
	case <-c.ended:
	case <-limit.C: // a join that nobody answers
	}
	c.network.close()
	<-c.ended
}

// die ends everything at once, as the death of a process does: nothing is processed, committed or said from here on.
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
	c.tell(drivers.Assigned, s.GenerationID())
	context.AfterFunc(s.Context(), func() { c.tell(drivers.Revoked, s.GenerationID()) })
	if c.group.config.commit() == commitPeriodic {
		c.commits.Go(func() { c.commitPeriodically(s) })
	}
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler: what was processed by then is committed before others take over.
func (c *consumer) Cleanup(s sarama.ConsumerGroupSession) error {
	c.commits.Wait()
	if c.group.config.commit() == commitPeriodic && !c.isDead() {
		s.Commit()
	}
	return nil
}

// commitPeriodically commits what is marked until the session ends.
func (c *consumer) commitPeriodically(s sarama.ConsumerGroupSession) {
	every := c.group.config.Every
	if every == 0 {
		every = defaultCommitEvery
	}
	for pause(s.Context(), every) {
		if c.freezer.pass(); s.Context().Err() == nil && !c.isDead() {
			s.Commit()
		}
	}
}

func (c *consumer) tell(kind drivers.GroupKind, generation int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.group.tell(drivers.GroupEvent{Kind: kind, Member: c.member.number, Round: generation, At: c.group.env.Clock()})
	}
}

// ConsumeClaim implements sarama.ConsumerGroupHandler: batch by batch, of which each is finished even when the partition is
// taken away meanwhile, as consumers in good order do.
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

// take waits for a record and takes what else is there, up to a batch; nothing when the claim has ended.
func (c *consumer) take(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) []*sarama.ConsumerMessage {
	c.freezer.pass()
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

// process works on a record; false when the member died over it.
func (c *consumer) process(s sarama.ConsumerGroupSession, record *sarama.ConsumerMessage) bool {
	c.freezer.pass()
	if work := c.group.config.Work; work > 0 {
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.death:
		}
		c.freezer.pass() // it may have been frozen over its work
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	c.group.tell(drivers.GroupEvent{Kind: drivers.Processed, Member: c.member.number, Round: s.GenerationID(),
		Position: drivers.PositionIn(record.Partition, record.Offset), At: c.group.env.Clock()})
	return true
}
