package amqp

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/drivers/expiry"
)

// Driver publishes the operations of one stream, over one connection or several. It is a drivers.Pipeline; a session waits for each
// Send. Its methods are safe for concurrent use. The messages of one channel keep the order of the calls to Send.
//
// An attempt also ends when its context or its time ends before the broker has answered. It is then rejected if its message was
// not written, and indeterminate otherwise. While no node can be reached, attempts are rejected at once.
type Driver struct {
	config      *Config
	env         drivers.Env
	template    *messageTemplate
	dialer      *dialer
	control     *control
	management  *management // nil: the depth comes from passive declares
	connections []*connection
	channels    []*channel
	made        made
	depth       depth

	ctx      context.Context // ends when the driver is shut
	cancel   context.CancelFunc
	shutting chan struct{}
	closing  sync.Once
	running  sync.WaitGroup

	inFlight         atomic.Int64 // attempts whose done was not called
	returned, nacked atomic.Int64
	idleMu           sync.Mutex
	idle             chan struct{} // closed when inFlight falls to 0; nil if nobody waits

	contexts *expiry.Contexts
}

var (
	_ drivers.Driver    = (*Driver)(nil)
	_ drivers.Pipeline  = (*Driver)(nil)
	_ drivers.Gauger    = (*Driver)(nil)
	_ drivers.Verifier  = (*Driver)(nil)
	_ drivers.Producers = (*Driver)(nil)
)

// Open implements drivers.Config. It declares what the stream needs, and waits until every channel is open.
func (c *Config) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	d, err := c.open(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.place(), err)
	}
	if c.Reply != nil {
		return c.replying(ctx, d, env)
	}
	return d, nil
}

func (c *Config) open(whole context.Context, env drivers.Env) (*Driver, error) {
	ctx, cancel := context.WithTimeout(whole, openLimit)
	defer cancel()
	template, err := c.template(env)
	if err != nil {
		return nil, err
	}
	dialer, err := c.access().dialer(env.Files)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	d := &Driver{config: c, env: env, template: template, dialer: dialer, shutting: make(chan struct{})}
	d.contexts = expiry.NewContexts(d.end)
	d.ctx, d.cancel = context.WithCancel(context.Background())
	d.control = newControl(dialer, env.Direct, env.Timeout)
	d.control.notes = newNotes(env, c.access())
	leave := d.control.within(whole)
	if c.Management != "" {
		if d.management, err = newManagement(c.Management, c.Queue, dialer, env); err != nil {
			return nil, err
		}
		d.management.queue = c.Queue
	}
	d.connect()
	err = d.prepare(ctx)
	if err == nil {
		d.start()
		err = d.ready(ctx)
	}
	leave() // what was declared is removed by Close, though whole is over
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// connect makes the connections and channels, which do nothing yet.
func (d *Driver) connect() {
	for n := range d.config.connections() {
		conn := &connection{driver: d, number: n, changed: make(chan struct{})}
		for range d.config.channels() {
			ch := &channel{driver: d, connection: conn, outstanding: d.config.outstanding(), wake: make(chan struct{}, 1),
				owner: owner{identity: d.env.Identity.Reader(), place: d.template.place}}
			ch.deadlines = expiry.New[*publish](&ch.mu)
			conn.channels = append(conn.channels, ch)
			d.channels = append(d.channels, ch)
		}
		d.connections = append(d.connections, conn)
	}
}

// prepare declares, and makes sure that the queue or the exchange is there.
func (d *Driver) prepare(ctx context.Context) (err error) {
	if err := d.control.open(ctx); err != nil {
		return err
	}
	if d.made, err = d.control.declare(d.config.Declare); err != nil {
		return err
	}
	if exchange := d.config.Exchange; exchange != "" {
		there, err := d.control.exchangeExists(exchange)
		if err != nil {
			return blamed(err)
		}
		if !there {
			return fmt.Errorf("%w: the exchange %s does not exist in vhost %s; create it, or have it made: declare.exchanges of the stream", drivers.ErrConfig, exchange, d.dialer.vhost)
		}
		return nil
	}
	if d.management != nil {
		n, err := d.management.first(ctx, d.made.hasQueue(d.config.Queue))
		d.depth.begin(n)
		return err
	}
	q, err := d.control.inspect(d.config.Queue)
	if isAbsent(err) {
		return fmt.Errorf("%w: the queue %s does not exist in vhost %s; create it, or have it made: declare.queues of the stream", drivers.ErrConfig, d.config.Queue, d.dialer.vhost)
	}
	if err != nil {
		return fmt.Errorf("look for queue %s: %w", d.config.Queue, blamed(err))
	}
	d.depth.begin(held{ready: q.Messages})
	return nil
}

func (d *Driver) start() {
	for _, conn := range d.connections {
		d.running.Go(conn.run)
	}
	for _, ch := range d.channels {
		d.running.Go(ch.run)
		d.running.Go(ch.runDeadlines)
	}
	if d.config.Queue != "" {
		d.running.Go(func() { d.depth.watch(d.ctx, d.askDepth) })
	}
}

func (d *Driver) ready(ctx context.Context) error {
	for _, conn := range d.connections {
		if err := conn.ready(ctx); err != nil {
			return blamed(err)
		}
	}
	return nil
}

// refusedConfig says whether a broker refused what the scenario says.
func refusedConfig(err error) bool { return errors.Is(err, drivers.ErrConfig) }

// blamed marks an error of the broker with who caused it: the scenario what the broker refused, the target all else.
func blamed(err error) error {
	if refusedBy(err) || refusedConfig(err) {
		return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
}

func (d *Driver) heartbeat() time.Duration {
	if d.config.Heartbeat > 0 {
		return d.config.Heartbeat
	}
	return defaultHeartbeat
}

// Send implements drivers.Pipeline.
func (d *Driver) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	d.contexts.Watch(ctx)
	d.send(d.begin(ctx, op, at, done))
}

// begin makes the publish of an attempt. It returns nil if the attempt has ended already.
func (d *Driver) begin(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) *publish {
	p, err := d.template.publish(op, at, done)
	p.ctx, p.channel = ctx, d.channelOf(op)
	d.inFlight.Add(1)
	if err != nil {
		d.finish(p, 0, func() { at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error()) })
		return nil
	}
	return p
}

func (d *Driver) send(p *publish) {
	switch {
	case p == nil:
		return
	case p.ctx.Err() != nil:
		p.channel.expire(p, p.ctx.Err())
		return
	}
	if why := p.channel.obstacle(); why != nil {
		if p.cancel() {
			d.finish(p, 0, func() { neverLeft(p.at, why) })
		}
		return
	}
	p.channel.put(p)
	// What ended meanwhile has ended the waiting attempts without this one.
	if err := p.ctx.Err(); err != nil {
		p.channel.expire(p, err)
	} else if why := p.channel.obstacle(); why != nil && p.cancel() {
		d.finish(p, 0, func() { neverLeft(p.at, why) })
	}
}

// channelOf returns the channel of an operation. All operations of a key have one channel, which keeps their order.
func (d *Driver) channelOf(op *drivers.Op) *channel {
	if len(d.channels) == 1 {
		return d.channels[0]
	}
	n := op.Seq
	if op.Keyed {
		n = op.Key
	}
	return d.channels[n%uint64(len(d.channels))]
}

// Producers implements drivers.Producers.
func (d *Driver) Producers() uint64 { return uint64(len(d.channels)) }

// finish sets the attempt's outcome, once, and hands the attempt back. at is when the outcome was known; 0: now.
func (d *Driver) finish(p *publish, at time.Duration, setOutcome func()) {
	if !p.ended.CompareAndSwap(false, true) {
		return
	}
	setOutcome()
	if at != 0 {
		p.at.Done = at
	}
	done := p.done
	p.at, p.done = nil, nil
	done()
	if d.inFlight.Add(-1) > 0 {
		return
	}
	d.idleMu.Lock()
	defer d.idleMu.Unlock()
	if d.idle != nil && d.inFlight.Load() == 0 {
		close(d.idle)
		d.idle = nil
	}
}

// Flush implements drivers.Pipeline.
func (d *Driver) Flush(ctx context.Context) error {
	d.idleMu.Lock()
	if d.inFlight.Load() == 0 {
		d.idleMu.Unlock()
		return nil
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.idleMu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end ends the attempts that were sent with a context that has ended.
func (d *Driver) end(ctx context.Context) {
	for _, ch := range d.channels {
		for _, p := range ch.remaining() {
			if p.ctx == ctx {
				ch.expire(p, ctx.Err())
			}
		}
	}
}

// Session implements drivers.Driver.
func (d *Driver) Session() (drivers.Session, error) { return session{d}, nil }

// session makes one attempt at a time.
type session struct{ driver *Driver }

// Do implements drivers.Session.
func (s session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	done := make(chan struct{})
	p := s.driver.begin(ctx, op, at, func() { close(done) })
	if p == nil {
		return
	}
	stop := context.AfterFunc(ctx, func() { p.channel.expire(p, ctx.Err()) })
	defer stop()
	s.driver.send(p)
	<-done
}

// Close implements drivers.Session.
func (session) Close() error { return nil }

// isShut says whether Close was called. It is true before Close ends any connection.
func (d *Driver) isShut() bool {
	select {
	case <-d.shutting:
		return true
	default:
		return false
	}
}

// Close implements drivers.Driver. Attempts in flight end as cancelled. What this driver declared is removed. Idempotent.
func (d *Driver) Close() (err error) {
	d.closing.Do(func() {
		close(d.shutting)
		d.contexts.Close()
		d.cancel()
		d.running.Wait()
		for _, ch := range d.channels {
			for _, p := range ch.remaining() {
				ch.expire(p, context.Canceled)
			}
		}
		if err = d.control.remove(d.made); err != nil {
			err = fmt.Errorf("close %s: %w; wringer cleanup removes what was made, once the broker answers", d.config.place(), err)
		}
		d.control.close()
		d.management.close()
	})
	return err
}
