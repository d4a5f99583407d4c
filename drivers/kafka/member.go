package kafka

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/churn"
)

// leaveLimit is how long beyond its session a consumer may take to leave gracefully. Then its connections are cut.
const leaveLimit = 5 * time.Second

// consumer is a member from its join to its leave or death: a client with connections of its own. It is sarama's handler of
// the group's sessions.
type consumer struct {
	group   *consumers
	number  int // of its place in the group, from 1
	network *network
	freezer *churn.Freezer
	stop    context.CancelFunc // ends the consumer's part in the group
	ended   chan struct{}      // closed when everything of the consumer has ended
	death   chan struct{}      // closed when the consumer is dead
	commits sync.WaitGroup     // the goroutines that commit periodically

	mu   sync.Mutex
	dead bool
}

// join starts a consumer in a member's place.
func (g *consumers) join(number int) churn.Consumer {
	c := g.prepare(number)
	c.start()
	return c
}

func (g *consumers) prepare(number int) *consumer {
	c := &consumer{group: g, number: number, freezer: churn.NewFreezer(), ended: make(chan struct{}), death: make(chan struct{})}
	c.network = newNetwork(func(ctx context.Context, network, address string) (net.Conn, error) {
		c.freezer.Wait()
		return g.env.Dial(ctx, network, address)
	}, patience(g.env.Timeout), g.brokers)
	c.network.tlsConfig = g.tlsConfig
	c.network.wrap = func(conn net.Conn, _ string) net.Conn { return c.freezer.Conn(conn) }
	return c
}

// start joins the group.
func (c *consumer) start() {
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
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
			drivers.Pause(ctx, backoff)
		}
	}
	if sessions != nil {
		_ = sessions.Close() // leaves the group while the network is still open
	}
}

// Freezer implements churn.Consumer.
func (c *consumer) Freezer() *churn.Freezer { return c.freezer }

// Leave implements churn.Consumer. It finishes the records in hand, commits them as the policy says, leaves the group and returns. Idempotent.
func (c *consumer) Leave() {
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

// Die implements churn.Consumer. It ends everything at once, as the death of a process does. From here on the consumer processes, commits and reports
// nothing.
func (c *consumer) Die() {
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
	for drivers.Pause(s.Context(), every) {
		if c.freezer.Wait(); s.Context().Err() == nil && !c.isDead() {
			s.Commit()
		}
	}
}

func (c *consumer) emit(kind drivers.GroupKind, generation int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.group.emit(drivers.GroupEvent{Kind: kind, Member: c.number, Round: generation, At: c.group.env.Clock()})
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
	c.freezer.Wait()
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
	c.freezer.Wait()
	if work := c.group.config.Work; work > 0 {
		timer := time.NewTimer(work)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.death:
		}
		c.freezer.Wait() // the consumer may have been frozen during the work
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	c.group.emit(drivers.GroupEvent{Kind: drivers.Processed, Member: c.number, Round: s.GenerationID(),
		Position: drivers.PositionIn(record.Partition, record.Offset), At: c.group.env.Clock()})
	return true
}
