package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// follow reads over one connection until it ends, or ctx does.
func (s *Source) follow(ctx context.Context, node string, deliver func(*drivers.Delivery)) (err error) {
	raw, conn, err := s.dialer.handshake(ctx, s.env.Direct, node, patience(s.env.Timeout), defaultHeartbeat, nil)
	if err != nil {
		return err
	}
	ending := &farewell{conn: conn}
	defer raw.Close()
	closes := conn.NotifyClose(make(chan *library.Error, 1))
	ch, err := s.openChannel(ctx, conn, raw)
	if err != nil {
		ending.say()
		return err
	}
	defer func() { s.doubt.lost(ending.say() || saidByBroker(err)) }()
	deliveries, err := s.consume(ctx, ch, ending)
	if err != nil {
		return err
	}
	open := &ownConsumer{ch: ch, raw: raw, ending: ending}
	stop := context.AfterFunc(ctx, open.end)
	defer stop()
	cancelled := ch.NotifyCancel(make(chan string, 1))
	channelClosed := ch.NotifyClose(make(chan *library.Error, 1))
	s.beginLive(open)
	last := uint64(0)
	acked := uint64(0)
	// The last delivery of all stays unacked while the source reads: see doubtful.
	ackBelow := func(tag uint64) error {
		if tag <= acked+1 {
			return nil
		}
		acked = tag - 1
		return ch.Ack(acked, true)
	}
	for {
		var m library.Delivery
		var ok bool
		select {
		case m, ok = <-deliveries:
		default: // nothing is ready: a time to ack
			if err := ackBelow(last); err != nil {
				return err
			}
			m, ok = <-deliveries
		}
		if !ok {
			break
		}
		s.take(&m, deliver)
		if last = m.DeliveryTag; last-acked > ackEvery {
			if err := ackBelow(last); err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return ackBelow(last + 1)
	}
	select {
	case <-cancelled:
		if _, err := s.control.inspect(s.queue); isAbsent(err) {
			return fmt.Errorf("%w: the queue was removed", err)
		}
		return errors.New("the broker cancelled the consumer")
	case err := <-channelClosed:
		return closeError(err)
	case err := <-closes:
		return closeError(err)
	case <-ctx.Done():
		return nil
	}
}

// isAway says whether a broker names a queue absent because the node that holds it is away.
func isAway(err error) bool { return isAbsent(err) && strings.Contains(err.Error(), "inaccessible") }

func closeError(err *library.Error) error {
	if err == nil {
		return net.ErrClosed
	}
	return err
}

// sourceTag names the source's one consumer on its channel.
const sourceTag = "source"

// ownConsumer is a source's open consumer. Safe for concurrent use.
type ownConsumer struct {
	ch     *library.Channel
	raw    net.Conn
	ending *farewell
	mu     sync.Mutex // the library's calls on one channel must not overlap
}

// end ends the consumer in good order: what it has in hand can be acked yet.
func (r *ownConsumer) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	guard := time.AfterFunc(closeLimit, func() { r.raw.Close() })
	defer guard.Stop()
	if r.ch.Cancel(sourceTag, false) != nil {
		r.raw.Close()
	}
}

// inspect asks for the queue's state on the consumer's own channel. So what was handed out before the answer has come before it. It
// blocks for at most limit and farewellLimit.
func (r *ownConsumer) inspect(queue string, limit time.Duration) (library.Queue, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	guard := time.AfterFunc(limit, func() { r.ending.say() })
	defer guard.Stop()
	return r.ch.QueueDeclarePassive(queue, true, false, false, false, nil)
}

// openChannel opens a channel on a new connection, within patience and before ctx ends.
func (s *Source) openChannel(ctx context.Context, conn *library.Connection, raw net.Conn) (*library.Channel, error) {
	bounded, cancel := context.WithTimeout(ctx, patience(s.env.Timeout))
	defer cancel()
	stop := context.AfterFunc(bounded, func() { raw.Close() })
	defer stop()
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	return ch, ch.Qos(prefetch, 0, false)
}

// consume opens the consumer. A cluster that elects the queue's leader answers only then, so that it gets more time than for other
// questions. A consumer that was given up may exist: its connection is closed in good order.
func (s *Source) consume(ctx context.Context, ch *library.Channel, ending *farewell) (<-chan library.Delivery, error) {
	bounded, cancel := context.WithTimeout(ctx, max(s.env.Timeout, openLimit))
	defer cancel()
	stop := context.AfterFunc(bounded, func() { ending.say() })
	defer stop()
	arguments := library.Table{}
	if s.kind.stream() {
		arguments["x-stream-offset"] = s.offset + 1
	}
	return ch.Consume(s.queue, sourceTag, false, false, false, false, arguments)
}

// farewell closes a connection in good order, once. Safe for concurrent use.
type farewell struct {
	conn *library.Connection
	once sync.Once
	took bool
}

// farewellLimit bounds a farewell. A broker waits up to three seconds for a channel that is busy.
const farewellLimit = 5 * time.Second

// say reports whether the broker took the farewell: it has ended the connection's channels then, and their consumers. It blocks for
// farewellLimit at most.
func (f *farewell) say() bool {
	f.once.Do(func() { f.took = f.conn.CloseDeadline(time.Now().Add(farewellLimit)) == nil })
	return f.took
}

// saidByBroker says whether the broker itself ended a channel or a connection, and said so.
func saidByBroker(err error) bool {
	var said *library.Error
	return errors.As(err, &said) && said.Server
}
