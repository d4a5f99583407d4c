package kafka

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// Driver sends the operations of one stream by one producer, or by several: a press, or sarama's where a press does not do.
// It is a drivers.Pipeline; a session of it is Send, waited for. Its methods are safe for concurrent use, but the order of the
// records of one producer is that of the calls to Send.
//
// An attempt whose context ends before the producer has answered is over then: rejected when its record had not been put
// into a batch, indeterminate otherwise. What the producer says later is dropped, and transmissions that it makes later
// are in no Attempt.Hidden. While no broker can be reached, attempts are rejected at once.
type Driver struct {
	config    *Config
	env       drivers.Env
	template  *recordTemplate
	noAcks    bool
	network   *network
	producers []*producer
	pending   *pendingRecords
	counters  brokerCounters
	drained   sync.WaitGroup
	closing   sync.Once
	shutting  chan struct{}

	watching sync.Mutex
	watched  map[context.Context]func() bool // the ends of the watches
	latest   atomic.Pointer[context.Context] // one of watched, or nil; changed while watching is held
}

var (
	_ drivers.Driver    = (*Driver)(nil)
	_ drivers.Pipeline  = (*Driver)(nil)
	_ drivers.Gauger    = (*Driver)(nil)
	_ drivers.Verifier  = (*Driver)(nil)
	_ drivers.Producers = (*Driver)(nil)
)

// Send implements drivers.Pipeline.
func (d *Driver) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	d.watch(ctx)
	if r := d.begin(ctx, op, at, done); r != nil {
		d.send(r)
	}
}

// board makes the flight of an attempt, which is under way from here on; nil when it is over already.
func (d *Driver) begin(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) *pendingRecord {
	r, err := d.template.record(op, at, done)
	r.ctx, r.producer = ctx, d.producerOf(op)
	d.pending.inFlight.Add(1)
	if err != nil {
		d.finish(r, func() { at.Fail(drivers.Rejected, codeMessage, err.Error()) })
		return nil
	}
	return r
}

func (d *Driver) send(r *pendingRecord) {
	if r.ctx.Err() == nil && d.network.isDown() {
		d.failUnreachable(r)
		return
	}
	d.pending.add(r)
	if err := r.ctx.Err(); err != nil { // who watches over it may have looked before the flight was there
		d.pending.remove(r)
		d.expire(err, r)
		return
	}
	d.enqueue(r)
}

// hand hands a flight over once there is room for it, or its attempt is over.
func (d *Driver) enqueue(r *pendingRecord) {
	if r.producer.batcher != nil {
		r.producer.batcher.put(r)
		return
	}
	for {
		earlyEnds := *d.pending.earlyEnds.Load() // before the look at the flight: a departure in between has closed it
		if r.endedEarly.Load() {
			d.pending.remove(r)
			return
		}
		select {
		case r.producer.input <- &r.message:
			return
		case <-earlyEnds:
		}
	}
}

// overdue ends a flight whose context or deadline ended first.
func (d *Driver) expire(cause error, r *pendingRecord) {
	held := !r.cancel()
	d.finish(r, func() { d.pending.history(r).expired(r.at, cause, d.network.lastFailure(), held) })
	d.pending.endEarly(r)
}

// cutOff ends a flight for which there is no connection, when it can still be withdrawn.
func (d *Driver) failUnreachable(r *pendingRecord) {
	if r.cancel() {
		d.finish(r, func() { neverLeft(r.at, d.network.lastFailure()) })
		d.pending.endEarly(r)
	}
}

// unanswered is called when sarama has asked every broker for metadata in vain; it asks on until one answers. When no
// connection is left, what waits for one ends now instead of at its deadline: connections that are refused are a fast
// failure, and stay one.
func (d *Driver) metadataFailed() {
	if d.network.fail() {
		for _, r := range d.pending.remaining() {
			d.failUnreachable(r)
		}
	}
}

// lost ends a flight whose transmission can't be answered any more, when sarama will make no other. (sarama says so itself,
// but only after it has got fresh metadata, which may take as long as the fault.)
func (d *Driver) connectionLost(r *pendingRecord, err error) {
	d.finish(r, func() { d.pending.history(r).failed(r.at, err, d.isShut()) })
	d.pending.endEarly(r)
}

// returned ends a flight that sarama gave back, or leaves that to the end of its transaction.
func (d *Driver) returned(m *sarama.ProducerMessage, err error) {
	r := m.Metadata.(*pendingRecord)
	h := d.pending.remove(r)
	if t := r.transaction; t != nil {
		if err != nil {
			t.failed.Store(true)
		}
		t.recordDone()
		return
	}
	d.finish(r, func() {
		if err != nil {
			h.failed(r.at, err, d.isShut())
			return
		}
		h.acked(r, d.noAcks)
	})
}

// acked sets the outcome of an attempt that was acknowledged.
func (h wireHistory) acked(r *pendingRecord, noAcks bool) {
	h.writeTo(r.at)
	r.at.Outcome, r.at.Wire, r.at.Answered = drivers.Acked, true, true
	// DUPLICATE_SEQUENCE is an ack too, but names no place.
	switch m := &r.message; {
	case r.acked:
		if r.offset >= 0 {
			r.at.Position = drivers.PositionIn(r.partition, r.offset)
		}
	case m.Offset >= 0 && !noAcks:
		r.at.Position = drivers.PositionIn(m.Partition, m.Offset)
	}
}

// acked ends flights that the broker acked on the wire. sarama keeps to itself what it makes of that: to hand each record back
// over a channel costs as much as half of the accounting (BenchmarkAgainstBare), and tells it later.
func (d *Driver) acked(all []*pendingRecord) {
	for _, r := range all {
		d.finish(r, func() { r.history.acked(r, false) })
	}
}

// end tells the attempt's outcome, once, and hands the attempt back.
func (d *Driver) finish(r *pendingRecord, tell func()) {
	if !r.ended.CompareAndSwap(false, true) {
		return
	}
	tell()
	done := r.done
	r.at, r.done = nil, nil
	done()
	d.pending.completed()
}

// drain takes back what sarama gives back, until it has shut down, and keeps the deadlines.
func (d *Driver) receiveReturns() {
	d.drained.Go(d.runDeadlines)
	for _, p := range d.producers {
		p.receiveReturns(d)
	}
}

// Flush implements drivers.Pipeline.
func (d *Driver) Flush(ctx context.Context) error {
	for {
		idle := d.pending.idleSignal()
		if idle == nil {
			return nil
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Session implements drivers.Driver.
func (d *Driver) Session() (drivers.Session, error) { return session{d}, nil }

// Gauges implements drivers.Gauger: in_flight is the number of attempts that the producer holds; transmissions and
// retransmissions are records that left for the brokers since the driver was opened, for the first time in their attempt and
// again.
func (d *Driver) Gauges(emit func(name string, value float64)) {
	emit("in_flight", float64(d.pending.inFlight.Load()))
	d.counters.gauges(emit)
}

// Source implements drivers.Verifier.
func (d *Driver) Source() (drivers.Source, error) {
	if !d.config.verify() {
		return nil, nil
	}
	effect := Effect{Brokers: d.config.Brokers, Topic: d.config.Topic, TLS: d.config.TLS, SASL: d.config.SASL}
	s, err := effect.source(d.env)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close implements drivers.Driver. What is still under way ends with the connections, as cancelled. Idempotent. A timer of
// sarama's circuit breaker may be left to sleep for up to ten seconds when several records waited for a leader.
func (d *Driver) Close() (err error) {
	d.closing.Do(func() { err = d.shut() })
	return err
}

// isShut says that Close was called. It is so before any connection ends by that.
func (d *Driver) isShut() bool {
	select {
	case <-d.shutting:
		return true
	default:
		return false
	}
}

func (d *Driver) shut() error {
	close(d.shutting)
	d.unwatch()
	d.network.close()
	for _, producer := range d.producers {
		producer.end()
	}
	d.drained.Wait()
	for _, r := range d.pending.remaining() {
		h := d.pending.remove(r)
		d.finish(r, func() { h.expired(r.at, context.Canceled, nil, !r.cancel()) })
		d.pending.endEarly(r)
	}
	var all []error
	for _, producer := range d.producers {
		all = append(all, producer.close())
	}
	return errors.Join(all...)
}

// session makes one attempt at a time.
type session struct{ driver *Driver }

// Do implements drivers.Session.
func (s session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	done := make(chan struct{})
	r := s.driver.begin(ctx, op, at, func() { close(done) })
	if r == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { s.driver.expire(ctx.Err(), r) })
	defer stop()
	s.driver.send(r)
	<-done
}

// Close implements drivers.Session.
func (session) Close() error { return nil }
