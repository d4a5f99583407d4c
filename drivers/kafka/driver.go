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
	config   *Config
	env      drivers.Env
	recipe   *recipe
	noAcks   bool
	network  *network
	lines    []*line
	flights  *flights
	wires    wires
	drained  sync.WaitGroup
	closing  sync.Once
	shutting chan struct{}

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
	if f := d.board(ctx, op, at, done); f != nil {
		d.send(f)
	}
}

// board makes the flight of an attempt, which is under way from here on; nil when it is over already.
func (d *Driver) board(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) *flight {
	f, err := d.recipe.flight(op, at, done)
	f.ctx, f.line = ctx, d.lineOf(op)
	d.flights.inFlight.Add(1)
	if err != nil {
		d.end(f, func() { at.Fail(drivers.Rejected, codeMessage, err.Error()) })
		return nil
	}
	return f
}

func (d *Driver) send(f *flight) {
	if f.ctx.Err() == nil && d.network.isDown() {
		d.cutOff(f)
		return
	}
	d.flights.enter(f)
	if err := f.ctx.Err(); err != nil { // who watches over it may have looked before the flight was there
		d.flights.leave(f)
		d.overdue(err, f)
		return
	}
	d.hand(f)
}

// hand hands a flight over once there is room for it, or its attempt is over.
func (d *Driver) hand(f *flight) {
	if f.line.press != nil {
		f.line.press.put(f)
		return
	}
	for {
		departures := *d.flights.departures.Load() // before the look at the flight: a departure in between has closed it
		if f.departed.Load() {
			d.flights.leave(f)
			return
		}
		select {
		case f.line.input <- &f.message:
			return
		case <-departures:
		}
	}
}

// overdue ends a flight whose context or deadline ended first.
func (d *Driver) overdue(cause error, f *flight) {
	held := !f.withdraw()
	d.end(f, func() { d.flights.look(f).overdue(f.at, cause, d.network.lastFailure(), held) })
	d.flights.depart(f)
}

// cutOff ends a flight for which there is no connection, when it can still be withdrawn.
func (d *Driver) cutOff(f *flight) {
	if f.withdraw() {
		d.end(f, func() { neverLeft(f.at, d.network.lastFailure()) })
		d.flights.depart(f)
	}
}

// unanswered is called when sarama has asked every broker for metadata in vain; it asks on until one answers. When no
// connection is left, what waits for one ends now instead of at its deadline: connections that are refused are a fast
// failure, and stay one.
func (d *Driver) unanswered() {
	if d.network.fail() {
		for _, f := range d.flights.remaining() {
			d.cutOff(f)
		}
	}
}

// lost ends a flight whose transmission can't be answered any more, when sarama will make no other. (sarama says so itself,
// but only after it has got fresh metadata, which may take as long as the fault.)
func (d *Driver) lost(f *flight, err error) {
	d.end(f, func() { d.flights.look(f).failed(f.at, err, d.isShut()) })
	d.flights.depart(f)
}

// returned ends a flight that sarama gave back, or leaves that to the end of its transaction.
func (d *Driver) returned(m *sarama.ProducerMessage, err error) {
	f := m.Metadata.(*flight)
	p := d.flights.leave(f)
	if t := f.transaction; t != nil {
		if err != nil {
			t.failed.Store(true)
		}
		t.landed()
		return
	}
	d.end(f, func() {
		if err != nil {
			p.failed(f.at, err, d.isShut())
			return
		}
		p.acked(f, d.noAcks)
	})
}

// acked sets the outcome of an attempt that was acknowledged.
func (p passage) acked(f *flight, noAcks bool) {
	p.tell(f.at)
	f.at.Outcome, f.at.Wire, f.at.Answered = drivers.Acked, true, true
	// DUPLICATE_SEQUENCE is an ack too, but names no place.
	switch m := &f.message; {
	case f.acked:
		if f.offset >= 0 {
			f.at.Position = drivers.PositionIn(f.partition, f.offset)
		}
	case m.Offset >= 0 && !noAcks:
		f.at.Position = drivers.PositionIn(m.Partition, m.Offset)
	}
}

// acked ends flights that the broker acked on the wire. sarama keeps to itself what it makes of that: to hand each record back
// over a channel costs as much as half of the accounting (BenchmarkAgainstBare), and tells it later.
func (d *Driver) acked(all []*flight) {
	for _, f := range all {
		d.end(f, func() { f.passage.acked(f, false) })
	}
}

// end tells the attempt's outcome, once, and hands the attempt back.
func (d *Driver) end(f *flight, tell func()) {
	if !f.over.CompareAndSwap(false, true) {
		return
	}
	tell()
	done := f.done
	f.at, f.done = nil, nil
	done()
	d.flights.landed()
}

// drain takes back what sarama gives back, until it has shut down, and keeps the deadlines.
func (d *Driver) drain() {
	d.drained.Go(d.keepTime)
	for _, l := range d.lines {
		l.drain(d)
	}
}

// Flush implements drivers.Pipeline.
func (d *Driver) Flush(ctx context.Context) error {
	for {
		idle := d.flights.idleSignal()
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
	emit("in_flight", float64(d.flights.inFlight.Load()))
	d.wires.gauges(emit)
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
	for _, l := range d.lines {
		l.end()
	}
	d.drained.Wait()
	for _, f := range d.flights.remaining() {
		p := d.flights.leave(f)
		d.end(f, func() { p.overdue(f.at, context.Canceled, nil, !f.withdraw()) })
		d.flights.depart(f)
	}
	var all []error
	for _, l := range d.lines {
		all = append(all, l.close())
	}
	return errors.Join(all...)
}

// session makes one attempt at a time.
type session struct{ driver *Driver }

// Do implements drivers.Session.
func (s session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	done := make(chan struct{})
	f := s.driver.board(ctx, op, at, func() { close(done) })
	if f == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { s.driver.overdue(ctx.Err(), f) })
	defer stop()
	s.driver.send(f)
	<-done
}

// Close implements drivers.Session.
func (session) Close() error { return nil }
