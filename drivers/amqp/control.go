package amqp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

const (
	// openLimit bounds how long Open and Start wait for the broker. A broker that refuses a login stays silent for three seconds
	// before it closes the connection.
	openLimit = 10 * time.Second
	// leastPatience is the shortest time that a broker gets for a handshake or an answer.
	leastPatience = time.Second
	backoff       = 100 * time.Millisecond
	// closeLimit bounds the farewell to a broker.
	closeLimit = time.Second
)

func patience(timeout time.Duration) time.Duration { return max(timeout, leastPatience) }

// controlPatience is the shortest time that a broker gets for a declaration. Attempts do not wait for it.
const controlPatience = 15 * time.Second

// control is a connection for questions and declarations, outside of the stream's link. It connects when it must, to the first
// node that answers. Its calls take turns.
type control struct {
	dialer   *dialer
	dial     drivers.DialFunc
	patience time.Duration
	notes    notes // of what declare makes

	mu     sync.Mutex
	conn   *library.Connection
	ch     *library.Channel
	raw    net.Conn
	ctx    context.Context // ends with close
	cancel context.CancelFunc
	phase  atomic.Pointer[context.Context] // what calls end with besides; nil: nothing
}

func newControl(d *dialer, dial drivers.DialFunc, timeout time.Duration) *control {
	c := &control{dialer: d, dial: dial, patience: max(patience(timeout), controlPatience)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// within makes calls end with ctx too, until leave.
func (c *control) within(ctx context.Context) (leave func()) {
	c.phase.Store(&ctx)
	return func() { c.phase.Store(nil) }
}

// until is the context of one call. It ends with close, and with what within says.
func (c *control) until() (ctx context.Context, cancel func()) {
	ctx, end := context.WithCancel(c.ctx)
	phase := c.phase.Load()
	if phase == nil {
		return ctx, end
	}
	stop := context.AfterFunc(*phase, end)
	return ctx, func() { stop(); end() }
}

// open connects within openLimit, and retries while nobody answers. A refusal ends it.
func (c *control) open(ctx context.Context) error {
	for {
		err := c.do(func(*library.Channel) error { return nil })
		if err == nil || errors.Is(err, drivers.ErrConfig) {
			return err
		}
		if !drivers.Pause(ctx, backoff) {
			return err
		}
	}
}

// do calls with an open channel. An error of the call costs the channel, so the next call has a fresh one.
func (c *control) do(call func(*library.Channel) error) (err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := c.until()
	defer cancel()
	if c.conn == nil || c.conn.IsClosed() {
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	_ = c.raw.SetWriteDeadline(time.Now().Add(c.patience))
	raw := c.raw
	guard := time.AfterFunc(c.patience, func() { raw.Close() }) // the library's calls take no context
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer func() {
		stop()
		if !guard.Stop() && err != nil {
			err = fmt.Errorf("%w: no answer in %v: %w", drivers.ErrUnreachable, c.patience, err)
		}
	}()
	if c.ch == nil || c.ch.IsClosed() {
		ch, err := c.conn.Channel()
		if err != nil {
			return fmt.Errorf("%w: open a channel: %w", drivers.ErrUnreachable, err)
		}
		c.ch = ch
	}
	return call(c.ch)
}

// connect connects to the first node that answers. mu is held.
func (c *control) connect(ctx context.Context) error {
	c.farewell()
	var failed []error
	for _, node := range c.dialer.nodes {
		raw, conn, err := c.dialer.handshake(ctx, c.dial, node, c.patience, controlHeartbeat, nil)
		if err == nil {
			c.raw, c.conn = raw, conn
			return nil
		}
		failed = append(failed, err)
		if errors.Is(err, drivers.ErrConfig) || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(failed...)
}

const controlHeartbeat = 10 * time.Second

// farewell closes the connection, if there is one. mu is held.
func (c *control) farewell() {
	if c.conn != nil {
		_ = c.conn.CloseDeadline(time.Now().Add(closeLimit)) // an error means that it is closed
		c.raw.Close()
		c.conn, c.ch = nil, nil
	}
}

// close closes the connection, and ends a call that is under way.
func (c *control) close() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.farewell()
}

// handshake opens an AMQP connection to a node, within limit. wrap, if not nil, wraps the connection below AMQP. The caller closes
// both results.
func (d *dialer) handshake(ctx context.Context, dial drivers.DialFunc, node string, limit, heartbeat time.Duration, wrap func(net.Conn) net.Conn) (net.Conn, *library.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	raw, err := d.connect(ctx, dial, node)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %s: %w", drivers.ErrUnreachable, node, err)
	}
	watched := &endConn{Conn: raw}
	raw = watched
	if wrap != nil {
		raw = wrap(raw)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, err := library.Open(raw, library.Config{
		SASL: d.login(), Vhost: d.vhost, FrameSize: maxFrame, Heartbeat: heartbeat, Locale: "en_US",
		Properties: library.Table{"product": "wringer", "connection_name": "wringer"},
	})
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err == nil {
		return raw, conn, nil
	}
	raw.Close()
	if conn != nil {
		_ = conn.CloseDeadline(time.Now()) // ends the library's goroutines
	}
	return nil, nil, d.refusal(ctx, node, err, watched.end())
}

// refusal says why a handshake failed. The library takes every end of a connection after the login for a refused login, so the
// connection's own end decides.
func (d *dialer) refusal(ctx context.Context, node string, err, end error) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %s: no answer to the handshake: %w", drivers.ErrUnreachable, node, ctx.Err())
	case errors.Is(err, library.ErrSASL):
		return fmt.Errorf("%w: %s: the broker does not offer the login that sasl says: %w", drivers.ErrConfig, node, err)
	case refusedBy(err):
		return fmt.Errorf("%w: %s, vhost %s: %w", drivers.ErrConfig, node, d.vhost, err)
	case errors.Is(err, library.ErrCredentials) && (errors.Is(end, io.EOF) || isReset(end)):
		return fmt.Errorf("%w: %s: the broker closed the connection at the login of user %s, as it does when it refuses one; look at the user and the password", drivers.ErrConfig, node, d.user)
	case errors.Is(end, io.EOF):
		return fmt.Errorf("%w: %s: the connection was closed during the handshake; the broker may want TLS (amqps://): %w", drivers.ErrUnreachable, node, end)
	case end != nil:
		return fmt.Errorf("%w: %s: %w", drivers.ErrUnreachable, node, end)
	}
	return fmt.Errorf("%w: %s: %w", drivers.ErrUnreachable, node, err)
}

// endConn keeps the first error with which reading ended.
type endConn struct {
	net.Conn
	mu  sync.Mutex
	err error
}

// Read implements net.Conn.
func (c *endConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil {
		c.mu.Lock()
		if c.err == nil {
			c.err = err
		}
		c.mu.Unlock()
	}
	return n, err
}

func (c *endConn) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// isReset says whether a connection was reset.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
