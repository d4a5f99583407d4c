package kafka

import (
	"context"
	"errors"
	"sync"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/expiry"
)

// Driver sends the operations of one stream by one producer or several. A producer is a batcher, or sarama's own where the
// configuration needs it. The driver is a drivers.Pipeline; a session waits for each Send. Its methods are safe for
// concurrent use. The records of one producer keep the order of the calls to Send.
//
// An attempt also ends when its context ends before the producer has answered. It is then rejected if its record was in no
// batch, and indeterminate otherwise. Later answers of the producer are dropped, and later transmissions are not counted in
// Attempt.Hidden. While no broker can be reached, attempts are rejected at once.
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

	contexts *expiry.Contexts
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
	d.contexts.Watch(ctx)
	if r := d.begin(ctx, op, at, done); r != nil {
		d.send(r)
	}
}

// begin makes the pending record of an attempt. It returns nil if the attempt has ended already.
func (d *Driver) begin(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) *pendingRecord {
	r, err := d.template.record(op, at, done)
	r.ctx, r.producer = ctx, d.producerOf(op)
	d.pending.inFlight.Add(1)
	if err != nil {
		d.finish(r, func() { at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error()) })
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
	if err := r.ctx.Err(); err != nil { // the context may have ended before the record was added
		d.pending.remove(r)
		d.expire(err, r)
		return
	}
	d.enqueue(r)
}

// enqueue hands a record to its producer. It blocks until the producer has room, or the attempt ends.
func (d *Driver) enqueue(r *pendingRecord) {
	if r.producer.batcher != nil {
		r.producer.batcher.put(r)
		return
	}
	r.size = r.message.ByteSize(2)
	for {
		earlyEnds := *d.pending.earlyEnds.Load() // read before endedEarly: an attempt that ends in between has closed this channel
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

// expire ends an attempt whose context or deadline ended first.
func (d *Driver) expire(cause error, r *pendingRecord) {
	held := !r.cancel()
	d.finish(r, func() { d.pending.history(r).expired(r.at, cause, d.network.lastFailure(), held) })
	d.pending.endEarly(r)
}

// failUnreachable ends an attempt that has no connection, if its record can still be cancelled.
func (d *Driver) failUnreachable(r *pendingRecord) {
	if r.cancel() {
		d.finish(r, func() { neverLeft(r.at, d.network.lastFailure()) })
		d.pending.endEarly(r)
	}
}

// metadataFailed is called when no broker answered sarama's request for metadata. sarama repeats the request until one
// does. If no connection is left, waiting attempts end now and not at their deadlines: a refused connection is a fast
// failure.
func (d *Driver) metadataFailed() {
	if d.network.fail() {
		for _, r := range d.pending.remaining() {
			d.failUnreachable(r)
		}
	}
}

// connectionLost ends an attempt whose transmission can no longer be answered, if sarama will not resend it. (sarama
// reports the loss only after it has fresh metadata, which may take as long as the fault.)
func (d *Driver) connectionLost(r *pendingRecord, err error) {
	d.finish(r, func() { d.pending.history(r).failed(r.at, err, d.isShut()) })
	d.pending.endEarly(r)
}

// returned ends the attempt of a record that sarama gave back. Within a transaction, the end of the transaction does so.
func (d *Driver) returned(m *sarama.ProducerMessage, err error) {
	r := m.Metadata.(*pendingRecord)
	if err != nil && tooLarge(err) {
		r.producer.limit.refused(r)
	}
	if t := r.transaction; t != nil {
		if err != nil {
			t.failed.Store(true)
		}
		t.recordDone() // the record stays pending, so that the attempt can end before the transaction does
		return
	}
	h := d.pending.remove(r)
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
	// DUPLICATE_SEQUENCE is an ack too, but names no offset.
	switch m := &r.message; {
	case r.acked:
		if r.offset >= 0 {
			r.at.Position = drivers.PositionIn(r.partition, r.offset)
		}
	case m.Offset >= 0 && !noAcks:
		r.at.Position = drivers.PositionIn(m.Partition, m.Offset)
	}
}

// acked ends attempts whose ack was seen on the wire. sarama is configured to report no successes: handing back each record
// over a channel costs half as much as the accounting (BenchmarkAgainstBare), and comes later.
func (d *Driver) acked(all []*pendingRecord) {
	for _, r := range all {
		d.finish(r, func() { r.history.acked(r, false) })
	}
}

// finish sets the attempt's outcome, once, and hands the attempt back.
func (d *Driver) finish(r *pendingRecord, setOutcome func()) {
	if !r.ended.CompareAndSwap(false, true) {
		return
	}
	setOutcome()
	done := r.done
	r.at, r.done = nil, nil
	done()
	d.pending.completed()
}

// receiveReturns receives the records that sarama gives back until it has shut down, and ends attempts at their deadlines.
func (d *Driver) receiveReturns() {
	d.drained.Go(func() {
		d.pending.deadlines.Run(d.shutting, d.env.Clock, func(r *pendingRecord) { d.expire(context.DeadlineExceeded, r) })
	})
	for _, p := range d.producers {
		p.receiveReturns(d)
	}
}

// end ends the attempts that were sent with a context that has ended.
func (d *Driver) end(ctx context.Context) {
	for _, r := range d.pending.remaining() {
		if r.ctx == ctx {
			d.expire(ctx.Err(), r)
		}
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

// Gauges implements drivers.Gauger. in_flight counts the attempts that the producer holds. transmissions and
// retransmissions count records sent to the brokers since the driver was opened: the first time in their attempt, and
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

// Close implements drivers.Driver. Attempts in flight end with the connections, as cancelled. Idempotent. A timer of
// sarama's circuit breaker may run for ten more seconds if several records waited for a leader.
func (d *Driver) Close() (err error) {
	d.closing.Do(func() { err = d.shut() })
	return err
}

// isShut says whether Close was called. It is true before Close ends any connection.
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
	d.contexts.Close()
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
