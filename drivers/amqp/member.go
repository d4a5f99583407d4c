package amqp

import (
	"context"
	"net"
	"sync"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/churn"
)

// consumer is a member from its join to its leave or death, with connections of its own, one after another.
type consumer struct {
	group   *consumers
	number  int // of its place in the group, from 1
	freezer *churn.Freezer
	ctx     context.Context // ends when the consumer leaves or dies
	stop    context.CancelFunc
	ended   chan struct{} // closed when everything of the consumer has ended

	mu   sync.Mutex
	dead bool
	raw  net.Conn // nil: not connected
}

// join starts a consumer in a member's place.
func (g *consumers) join(number int) churn.Consumer {
	c := &consumer{group: g, number: number, freezer: churn.NewFreezer(), ended: make(chan struct{})}
	c.ctx, c.stop = context.WithCancel(context.Background())
	go c.run()
	return c
}

// run consumes over one connection after another.
func (c *consumer) run() {
	defer close(c.ended)
	for node := c.number - 1; c.ctx.Err() == nil; node++ {
		err := c.consume(c.group.dialer.nodes[node%len(c.group.dialer.nodes)])
		if err != nil && c.ctx.Err() == nil {
			c.group.noteFailure(err)
			drivers.Pause(c.ctx, backoff)
		}
	}
}

// Freezer implements churn.Consumer.
func (c *consumer) Freezer() *churn.Freezer { return c.freezer }

// Leave implements churn.Consumer. It finishes the messages in hand, and returns. Idempotent.
func (c *consumer) Leave() {
	c.stop()
	limit := time.NewTimer(leaveLimit)
	defer limit.Stop()
	select {
	case <-c.ended:
	case <-limit.C: // a broker that does not answer
		c.cut()
		<-c.ended
	}
}

// leaveLimit is how long a consumer may take to leave in good order.
const leaveLimit = 5 * time.Second

// Die implements churn.Consumer. It ends everything at once, as the death of a process does. From here on the consumer works on nothing, acks nothing and reports
// nothing.
func (c *consumer) Die() {
	c.mu.Lock()
	c.dead = true
	c.mu.Unlock()
	c.cut()
	c.stop()
	<-c.ended
}

func (c *consumer) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		c.raw.Close()
	}
}

func (c *consumer) isDead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dead
}

// consume works on messages over one connection, until it ends or the consumer leaves.
func (c *consumer) consume(node string) error {
	g := c.group
	raw, conn, err := g.dialer.handshake(c.ctx, g.env.Dial, node, patience(g.env.Timeout), defaultHeartbeat, c.freezer.Conn)
	if err != nil {
		return err
	}
	defer func() {
		_ = conn.CloseDeadline(time.Now().Add(closeLimit)) // an error means that it is closed
		raw.Close()
	}()
	c.mu.Lock()
	c.raw = raw
	dead := c.dead
	c.mu.Unlock()
	if dead {
		return nil
	}
	ch, deliveries, err := c.subscribe(conn, raw)
	if err != nil {
		return err
	}
	g.started.Store(true)
	for {
		select {
		case m, ok := <-deliveries:
			if !ok {
				return library.ErrClosed
			}
			if !c.work(&m) {
				return nil
			}
		case <-c.ctx.Done():
			return c.finish(ch, deliveries)
		}
	}
}

// consumerTag names each member's one consumer on its channel.
const consumerTag = "member"

func (c *consumer) subscribe(conn *library.Connection, raw net.Conn) (*library.Channel, <-chan library.Delivery, error) {
	guard := time.AfterFunc(patience(c.group.env.Timeout), func() { raw.Close() })
	defer guard.Stop()
	ch, err := conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	if err := ch.Qos(c.group.config.prefetch(), 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := ch.Consume(c.group.queue, consumerTag, c.group.config.ack() == ackAuto, false, false, false, nil)
	return ch, deliveries, err
}

// finish takes no further messages, and works on those in hand.
func (c *consumer) finish(ch *library.Channel, deliveries <-chan library.Delivery) error {
	if c.isDead() {
		return nil
	}
	if err := ch.Cancel(consumerTag, false); err != nil {
		return err
	}
	for m := range deliveries {
		if !c.work(&m) {
			return nil
		}
	}
	return nil
}

// work works on one message and settles it. It returns false if the consumer died meanwhile, or its connection did.
func (c *consumer) work(m *library.Delivery) bool {
	g := c.group
	c.freezer.Wait()
	if c.isDead() {
		return false
	}
	g.handedOut(m)
	if g.config.ack() == ackBefore && m.Ack(false) != nil {
		return false
	}
	if work := g.config.Work; work > 0 {
		time.Sleep(work)
		c.freezer.Wait() // the consumer may have been frozen during the work
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	if g.fails(m) {
		return c.giveUp(m)
	}
	g.source.ledger.processed(m, drivers.GroupEvent{Kind: drivers.Processed, Member: c.number, At: g.env.Clock()})
	return g.config.ack() != ackAfter || m.Ack(false) == nil
}

// giveUp does with a message what the scenario says, when the work on it fails.
func (c *consumer) giveUp(m *library.Delivery) bool {
	g := c.group
	switch g.config.onFailure() {
	case failRequeue:
		g.requeued.Add(1)
		return m.Nack(false, true) == nil
	case failNack:
		return m.Nack(false, false) == nil
	}
	return m.Reject(false) == nil
}

// readDead reads the dead letters until ctx ends and none is left. A dead letter was dealt with: it counts as processed.
func (g *consumers) readDead(ctx context.Context) {
	for {
		var m library.Delivery
		var ok bool
		err := g.source.control.do(func(ch *library.Channel) (err error) {
			m, ok, err = ch.Get(g.dead, true)
			return err
		})
		switch {
		case ok:
			g.deadLettered.Add(1)
			if reasonOfDeath(&m) == "expired" {
				g.expired.Add(1)
			}
			m.Redelivered = false
			g.source.ledger.processed(&m, drivers.GroupEvent{Kind: drivers.Processed, Member: 0, At: g.env.Clock()})
			continue
		case ctx.Err() != nil:
			return
		case err != nil:
			g.noteFailure(err)
		}
		drivers.Pause(ctx, backoff)
	}
}

// reasonOfDeath is why a queue gave a message up: rejected, expired, maxlen, delivery_limit.
func reasonOfDeath(m *library.Delivery) string {
	deaths, _ := m.Headers["x-death"].([]any)
	if len(deaths) == 0 {
		return ""
	}
	last, _ := deaths[0].(library.Table)
	reason, _ := last["reason"].(string)
	return reason
}
