package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// headerMark is the header of a mark: a message that the source publishes to its own queue. When it comes back, everything before
// it has come.
const headerMark = "wringer-mark"

// marksAtOnce is how many marks are published together. A broker hands out messages in turns: if all of them come to the source, no
// other consumer takes any.
const marksAtOnce = 4

// marks are a source's marks. Their numbers count up, and marksAtOnce of them make a set.
type marks struct {
	mu   sync.Mutex
	sets uint64           // that were published
	seen map[uint64]uint8 // of each set the marks that came, a bit each
	full uint64           // the last set that came whole; 0: none
}

// next is the number of a new set: 1, 2, 3, …
func (k *marks) next() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sets++
	return k.sets
}

// read returns the number of a mark; is is false if the message is none.
func (*marks) read(m *library.Delivery) (n uint64, is bool) {
	text, is := m.Headers[headerMark].(string)
	if !is {
		return 0, false
	}
	n, _ = strconv.ParseUint(text, 10, 64)
	return n, true
}

// came notes a mark.
func (k *marks) came(n uint64) {
	set := n / marksAtOnce
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen == nil {
		k.seen = make(map[uint64]uint8)
	}
	if k.seen[set] |= 1 << (n % marksAtOnce); k.seen[set] == 1<<marksAtOnce-1 {
		k.full = max(k.full, set)
		delete(k.seen, set)
	}
}

// whole is the last set of which all marks came; 0: none.
func (k *marks) whole() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.full
}

const (
	// markAgain is how long marks are waited for before others are published.
	markAgain = time.Second
	// quiet is how long a queue of others must hand out nothing, once it is empty.
	quiet = 300 * time.Millisecond
)

// CatchUp implements drivers.Source.
func (s *Source) CatchUp(ctx context.Context) error {
	var err error
	switch s.kind {
	case ownQueue, ownStream:
		if err = s.awaitMark(ctx); err == nil {
			err = cmp.Or(s.awaitTraced(ctx), s.checkDropped(), s.checkExchange(ctx), s.checkOthers(ctx))
		}
	case foreignQueue:
		if err = s.awaitEmpty(ctx); err == nil {
			err = s.checkOthers(ctx)
		}
	case foreignStream:
		err = s.awaitOffset(ctx)
	}
	if err != nil {
		return fmt.Errorf("read %s to its end: %w", s.name, err)
	}
	return nil
}

// awaitMark publishes marks, and waits until they come. Marks may get lost with a broker, so others follow. Marks that were published
// before the source lost a connection prove nothing: what the broker had handed out there may come after them.
func (s *Source) awaitMark(ctx context.Context) error {
	first := uint64(0)  // the first set since the last loss
	losses := int64(-1) // when it was published
	is := func() bool {
		now, _, _ := s.doubt.state()
		return first > 0 && s.marks.whole() >= first && now == losses
	}
	for {
		_, now, _, err := s.inspectAlone()
		wait := backoff
		if err == nil {
			set := s.marks.next()
			if now != losses {
				first, losses = set, now
			}
			err = s.publishMarks(ctx, set)
			wait = markAgain
		}
		bounded, cancel := context.WithTimeout(ctx, wait)
		reached := s.await(bounded, is)
		cancel()
		switch {
		case s.failure() != nil:
			return s.failure()
		case reached:
			return nil
		case ctx.Err() != nil && err != nil:
			return err
		case ctx.Err() != nil:
			return errors.Join(fmt.Errorf("what was published to the queue last did not come, or another consumer took it: %w", ctx.Err()), s.recentTrouble())
		}
	}
}

func (s *Source) publishMarks(ctx context.Context, set uint64) error {
	return s.control.do(func(ch *library.Channel) error {
		for n := set * marksAtOnce; n < (set+1)*marksAtOnce; n++ {
			err := ch.PublishWithContext(ctx, "", s.queue, false, false, library.Publishing{
				Headers: library.Table{headerMark: strconv.FormatUint(n, 10)}, DeliveryMode: library.Persistent})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// inspectAlone asks for the queue's state. alone says whether the source's is the only consumer. losses is how many consumers of the
// source had ended before. It is an error if the source does not consume. So it is if the broker may still hold what it handed
// out to a lost connection: that is in no count of the queue.
func (s *Source) inspectAlone() (q library.Queue, losses int64, alone bool, err error) {
	losses, _, allBack := s.doubt.state()
	if s.kind.stream() { // it keeps what it hands out
		return q, losses, true, nil
	}
	_, open := s.progress()
	if open == nil {
		return q, losses, false, errors.Join(errors.New("no consumer is open"), s.recentTrouble())
	}
	q, err = open.inspect(s.queue, max(s.env.Timeout, openLimit)) // a cluster that elects the queue's leader answers late
	switch {
	case err != nil:
	case q.Consumers == 0: // the source consumes: the answer does not come from the queue
		err = fmt.Errorf("the broker counts no consumer of queue %s, which the source consumes from: the queue may have no leader", s.queue)
	case q.Consumers == 1:
		alone = true
		s.doubt.settle(losses)
	case !allBack:
		err = fmt.Errorf("the broker counts %d consumers of queue %s, want the source's own alone: what it handed to a lost connection is not back yet", q.Consumers, s.queue)
	}
	return q, losses, alone, err
}

// await waits until is holds, which may change with each delivery. It returns false if ctx ends first, or the source fails.
func (s *Source) await(ctx context.Context, is func() bool) bool {
	for {
		s.mu.Lock()
		moved := s.moved
		s.mu.Unlock()
		if is() {
			return true
		}
		select {
		case <-moved:
		case <-s.failing:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// awaitEmpty waits until the broker says that no message is ready and that nobody else consumes, and hands out none for a while.
func (s *Source) awaitEmpty(ctx context.Context) error {
	for {
		q, losses, alone, err := s.inspectAlone()
		before, open := s.progress()
		paused := drivers.Pause(ctx, quiet)
		after, still := s.progress()
		now, _, _ := s.doubt.state()
		switch {
		case s.failure() != nil:
			return s.failure()
		case err == nil && alone && q.Messages == 0 && open == still && now == losses && before == after && paused:
			return nil
		case ctx.Err() != nil && err != nil:
			return err
		case ctx.Err() != nil:
			return errors.Join(fmt.Errorf("%d messages are ready in the queue, %d were taken, and %d consume: %w", q.Messages, after, q.Consumers, ctx.Err()), s.recentTrouble())
		}
	}
}

// progress is how many messages were taken, and the open consumer; nil: there is none.
func (s *Source) progress() (taken int64, open *ownConsumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken, s.open
}

// awaitOffset waits until the source has read what a second reader finds at the stream's end.
func (s *Source) awaitOffset(ctx context.Context) error {
	end, err := s.lastOffset(ctx)
	if err != nil {
		return err
	}
	if s.await(ctx, func() bool { return s.reachedOffset.Load() >= end }) {
		return nil
	}
	if failed := s.failure(); failed != nil {
		return failed
	}
	return ctx.Err()
}

// lastOffset is the last offset of a stream; -1: it is empty. The broker hands out the stream's last chunk, and then nothing. Its
// first message is waited for until ctx ends, unless the broker counts none.
func (s *Source) lastOffset(ctx context.Context) (int64, error) {
	raw, conn, err := s.dialer.handshake(ctx, s.env.Direct, s.dialer.nodes[0], patience(s.env.Timeout), defaultHeartbeat, nil)
	if err != nil {
		return 0, err
	}
	defer func() {
		_ = conn.CloseDeadline(time.Now().Add(closeLimit)) // an error means that it is closed
		raw.Close()
	}()
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	ch, err := conn.Channel()
	if err != nil {
		return 0, err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return 0, err
	}
	deliveries, err := ch.Consume(s.queue, "", false, false, false, false, library.Table{"x-stream-offset": "last"})
	if err != nil {
		return 0, err
	}
	q, err := s.control.inspect(s.queue)
	if err != nil {
		return 0, err
	}
	last, patient := int64(-1), q.Messages > 0
	for {
		wait := quiet
		if patient && last < 0 {
			wait = openLimit
		}
		timer := time.NewTimer(wait)
		select {
		case m, ok := <-deliveries:
			timer.Stop()
			if !ok {
				return 0, fmt.Errorf("%w: the stream's end was not found", drivers.ErrUnreachable)
			}
			if offset, ok := m.Headers["x-stream-offset"].(int64); ok {
				last = max(last, offset)
			}
			if err := m.Ack(false); err != nil {
				return 0, err
			}
		case <-timer.C:
			if patient && last < 0 {
				return 0, fmt.Errorf("%w: the broker counts %d messages in the stream, and hands out none", drivers.ErrUnreachable, q.Messages)
			}
			return last, nil
		case <-ctx.Done():
			timer.Stop()
			return 0, ctx.Err()
		}
	}
}
