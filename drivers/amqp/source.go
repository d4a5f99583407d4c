package amqp

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// Source reads the messages of a queue: a tap of its own, a queue that this run declared, a stream, or a queue of the system where
// the scenario asks for that. Its connections pass no link.
//
// When it loses its connection, the broker delivers again what it held unacked. The source drops what it had delivered.
type Source struct {
	name   string
	queue  string
	kind   sourceKind
	tap    *tap          // nil: the queue is none of the source's making
	trace  *trace        // nil: the queue holds the messages themselves
	fields fieldPaths    // where the fields stand
	seen   *seenAttempts // of the stream's own messages; nil: messages of the system
	ledger *ledger       // numbers the messages for the group; nil: no group
	group  atomic.Pointer[consumers]
	env    drivers.Env
	// differs says how a body differs from what was sent; nil: nothing is compared.
	differs func(id, body []byte) string

	dialer  *dialer
	control *control
	// management is asked for what AMQP does not tell; nil: there is none.
	management *management
	tally      tally
	doubt      *doubtful
	marks      marks
	offset     int64 // of a stream: the last that was delivered; -1: none. Receive owns it
	// reachedOffset is offset for others.
	reachedOffset atomic.Int64
	scratch       [4][]byte
	depth         depth
	asking        sync.WaitGroup
	cancel        context.CancelFunc // ends asking

	mu      sync.Mutex
	failed  error         // why the observation is incomplete
	failing chan struct{} // closed with failed
	moved   chan struct{} // closed and replaced at each delivery that somebody may wait for
	taken   int64         // deliveries so far
	open    *ownConsumer  // the open consumer; nil: none
	trouble error         // why none is
}

// sourceKind is whose the queue is, and so what may be done with it.
type sourceKind uint8

const (
	ownQueue     sourceKind = iota // nobody else reads it or publishes to it by name
	foreignQueue                   // the system's: reading takes its messages away
	ownStream
	foreignStream
)

const (
	// prefetch is how many messages the broker hands out ahead of their acks.
	prefetch = 512
	// ackEvery is how many deliveries one ack covers, at most.
	ackEvery = 128
	// manyLooks is how often in a row another consumer must be seen on a queue of the system before it is believed, once the
	// source has lost a connection. Its own last consumer may still be counted.
	manyLooks = 5
)

var (
	_ drivers.Source  = (*Source)(nil)
	_ drivers.Gauger  = (*Source)(nil)
	_ drivers.Patient = (*Source)(nil)
)

// newSource prepares a source. It dials nothing.
func newSource(env drivers.Env, a access, name, queue string, kind sourceKind, fields fieldConfig) (*Source, error) {
	s := &Source{name: name, queue: queue, kind: kind, env: env, doubt: newDoubtful(), offset: -1, failing: make(chan struct{}), moved: make(chan struct{})}
	var err error
	if s.fields, err = fields.compile(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, name, err)
	}
	if s.dialer, err = a.dialer(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, name, err)
	}
	s.control = newControl(s.dialer, env.Direct, env.Timeout)
	return s, nil
}

func (k sourceKind) own() bool    { return k == ownQueue || k == ownStream }
func (k sourceKind) stream() bool { return k == ownStream || k == foreignStream }

// Start implements drivers.Source.
func (s *Source) Start(whole context.Context) error {
	ctx, cancel := context.WithTimeout(whole, openLimit)
	defer cancel()
	defer s.control.within(whole)()
	defer s.trace.within(whole)()
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	return nil
}

func (s *Source) start(ctx context.Context) error {
	if err := s.control.open(ctx); err != nil {
		return err
	}
	if s.tap != nil {
		var err error
		if s.queue, err = s.tap.make(s.control); err != nil {
			return err
		}
	}
	if s.tap != nil {
		if err := s.tap.awaitBound(ctx, s.queue); err != nil {
			return err
		}
	}
	if s.trace != nil {
		if err := s.trace.begin(ctx, s.queue); err != nil {
			return err
		}
	}
	q, err := s.control.inspect(s.queue)
	if isAbsent(err) {
		return fmt.Errorf("%w: the queue %s does not exist in vhost %s", drivers.ErrConfig, s.queue, s.dialer.vhost)
	}
	if err != nil {
		return fmt.Errorf("look for queue %s: %w", s.queue, blamed(err))
	}
	if q.Consumers > 0 && !s.kind.stream() {
		s.fail(fmt.Errorf("%d others consume from the queue %s: what they take is not seen here", q.Consumers, s.queue))
	}
	if s.kind == foreignQueue {
		s.env.Log.Warn("messages are taken out of a queue of the system", "stream", s.env.Stream, "queue", s.queue, "messages", q.Messages)
	}
	if s.kind == foreignStream {
		if s.offset, err = s.lastOffset(ctx); err != nil {
			return blamed(err)
		}
		s.reachedOffset.Store(s.offset)
	}
	if err := s.beginTally(ctx); err != nil {
		return err
	}
	s.depth.begin(held{ready: q.Messages})
	asking, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.asking.Go(func() { s.watchQueue(asking) })
	return nil
}

// watchQueue follows the queue's depth, and looks for others that consume from it.
func (s *Source) watchQueue(ctx context.Context) {
	looks := 0
	for drivers.Pause(ctx, askDepthEvery) {
		s.trace.probeAll(ctx, s.queue)
		_ = s.checkDropped() // what counts fails the source; the end of the reading needs the broker's answer
		_ = s.checkExchange(ctx)
		s.checkMembers(ctx)
		linger := s.mayLinger()
		q, err := s.control.inspect(s.queue)
		s.depth.set(held{ready: q.Messages}, err == nil)
		switch linger = max(linger, s.mayLinger()); { // the answer is of a time between
		case err != nil:
			s.noteAway(err)
		case q.Consumers > 1+linger && !s.kind.stream():
			if looks++; looks >= s.enoughLooks() {
				s.fail(fmt.Errorf("%d others consume from the queue %s: what they take is not seen here", q.Consumers-1, s.queue))
			}
		default:
			looks = 0
		}
	}
}

// enoughLooks is how often in a row another consumer must be seen to be believed. One that came for a moment took messages too.
func (s *Source) enoughLooks() int {
	if losses, _, _ := s.doubt.state(); s.kind == foreignQueue && losses > 0 {
		return manyLooks
	}
	return 1
}

// mayLinger is how many consumers of the source's own may still be counted, although their connections were lost: a quorum queue counts
// them until their node is back. On a queue of the system they cannot be told from others.
func (s *Source) mayLinger() int {
	if s.kind == foreignQueue {
		return 0
	}
	_, unsettled, _ := s.doubt.state()
	return int(unsettled)
}

// fail notes that the observation is incomplete.
func (s *Source) fail(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = why
		close(s.failing)
	}
}

func (s *Source) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Receive implements drivers.Source.
func (s *Source) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	ctx, cancel := context.WithCancel(ctx)
	var failing sync.WaitGroup
	defer failing.Wait()
	defer cancel()
	failing.Go(func() {
		select {
		case <-s.failing:
			cancel()
		case <-ctx.Done():
		}
	})
	for node := 0; ; node++ {
		err := s.follow(ctx, s.dialer.nodes[node%len(s.dialer.nodes)], deliver)
		s.endLive(err)
		s.noteAway(err)
		switch failed := s.failure(); {
		case failed != nil:
			return fmt.Errorf("read %s: %w", s.name, failed)
		case ctx.Err() != nil:
			return nil
		case (refusedBy(err) || refusedConfig(err)) && !isAway(err):
			return fmt.Errorf("read %s: %w", s.name, err)
		}
		drivers.Pause(ctx, backoff)
	}
}

// take hands a message on.
func (s *Source) take(m *library.Delivery, deliver func(*drivers.Delivery)) {
	defer s.note()
	repeated := false
	if !s.kind.stream() {
		repeated = s.doubt.repeats(m)
		s.doubt.delivered(m) // its ack too may get lost
	}
	if !repeated {
		s.tally.got.Add(1)
	}
	if n, is := s.marks.read(m); is {
		s.marks.came(n)
		return
	}
	if s.trace != nil {
		if !repeated {
			s.takeTraced(m, deliver)
		}
		return
	}
	d := drivers.Delivery{At: s.env.Clock(), Redelivered: m.Redelivered}
	s.fill(&d, m)
	if s.kind.stream() {
		if offset, ok := m.Headers["x-stream-offset"].(int64); ok {
			if offset <= s.offset {
				return // a stream hands out whole chunks, from before the offset that was asked for
			}
			s.offset = offset
			s.reachedOffset.Store(offset)
			d.Position, d.Redelivered = drivers.PositionIn(0, offset), false
		}
		deliver(&d)
		return
	}
	if repeated {
		return
	}
	if s.kind.own() {
		d.Redelivered = false // nobody but the source itself gave a message back
	}
	if s.seen != nil {
		seq, whose := s.env.Identity.Parse(d.ID)
		number, ok := attemptNumber([]byte(headerText(m, HeaderAttempt)))
		if whose == drivers.Ours && ok && s.seen.add(ref{seq, number}) {
			d.Redelivered = true // the same attempt twice: the network or the broker made the copy
		}
	}
	if s.ledger != nil {
		d.Position = s.ledger.found(m)
	}
	deliver(&d)
}

// fill reads the fields of a message, and compares it with what was sent.
func (s *Source) fill(d *drivers.Delivery, m *library.Delivery) {
	s.fields.fill(d, m, &s.scratch)
	if s.differs != nil {
		d.Wrong = s.differs(d.ID, m.Body)
	}
}

// note counts a delivery for those that wait for it.
func (s *Source) note() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken++
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *Source) beginLive(r *ownConsumer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.trouble = r, nil
}

// endLive notes that no consumer is open, and why.
func (s *Source) endLive(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open, s.trouble = nil, why
}

// recentTrouble is why no consumer is open; nil: one is.
func (s *Source) recentTrouble() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trouble
}

// Gauges implements drivers.Gauger. lag is the number of messages that are ready in the queue and were not handed out yet.
func (s *Source) Gauges(emit func(name string, value float64)) {
	if g := s.group.Load(); g != nil {
		g.gauges(emit)
	}
	if s.kind.stream() {
		return // a stream keeps what was read
	}
	s.depth.gauges(func(name string, value float64) {
		if name == "depth" {
			emit("lag", value)
		}
	})
}

// Close implements drivers.Source. A tap is removed.
func (s *Source) Close() (err error) {
	if s.cancel != nil {
		s.cancel()
		s.asking.Wait()
	}
	if s.tap != nil && s.queue != "" {
		err = s.control.remove(made{queues: []thing{{name: s.queue}, {name: droppedFrom(s.queue)}}})
	}
	if s.tap != nil {
		s.tap.management.close()
	}
	s.trace.close()
	s.management.close()
	s.control.close()
	return err
}
