package unary

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Options say what the calls of a line have in common.
type Options struct {
	// Dial makes a connection on which HTTP/2 may begin.
	Dial func(ctx context.Context) (net.Conn, error)
	// Timeout bounds one attempt to connect, with the target's first frame.
	Timeout time.Duration
	// Clock is the run's clock.
	Clock func() time.Duration
	// Scheme is http or https, Path is /package.Service/Method.
	Scheme, Authority, Path string
	// MaxHeaders bounds the headers, or trailers, of an answer; MaxMessage its message. In bytes.
	MaxHeaders uint32
	MaxMessage int
	// Opened and Closed are called for each connection that stands, and no more. They do not block.
	Opened, Closed func()
}

// ErrClosed is why a call on a line that was closed is not sent.
var ErrClosed = errors.New("the line is closed")

// Line makes calls over one connection at a time, any number at once. A connection that is lost is made anew by the next call.
// Safe for concurrent use.
type Line struct {
	options Options
	fields  []hpack.HeaderField
	size    int64 // of the fields
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu   sync.Mutex
	conn *conn // nil: there is none that takes calls
	// changed is closed when an attempt to connect is over; nil: none is made. failed is what the last one came to: until a
	// connection stands, calls fail with it at once.
	changed chan struct{}
	failed  error
	live    map[*conn]struct{}
}

// New returns a line. It connects when it is first used.
func New(o Options) *Line {
	l := &Line{options: o, fields: o.shared(), live: make(map[*conn]struct{})}
	for i := range l.fields {
		l.size += int64(l.fields[i].Size())
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Close ends the connections, and whatever is under way on them. It blocks until everything is gone.
func (l *Line) Close() {
	l.cancel()
	l.mu.Lock()
	for c := range l.live {
		c.net.Close()
	}
	l.mu.Unlock()
	l.all.Wait()
}

// ready returns a connection that takes calls. It waits while the first attempt to make one is under way.
func (l *Line) ready(ctx context.Context) (*conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.conn == nil {
		switch {
		case l.ctx.Err() != nil:
			return nil, ErrClosed
		case l.failed != nil:
			return nil, l.failed
		case l.changed == nil:
			l.changed = make(chan struct{})
			l.all.Go(l.connect)
		}
		changed := l.changed
		l.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	return l.conn, nil
}

// Waits between attempts to connect, as the driver sets grpc-go's: a long one would show as a slow recovery of the target.
const (
	firstWait  = 50 * time.Millisecond
	waitGrowth = 1.6
	waitJitter = 0.2
	mostWait   = 500 * time.Millisecond
)

// connect makes the line's connection, trying until one stands or the line is closed.
func (l *Line) connect() {
	for wait := float64(firstWait); ; wait = min(wait*waitGrowth, float64(mostWait)) {
		c, err := l.dial()
		l.mu.Lock()
		if err == nil && l.ctx.Err() != nil {
			err = ErrClosed
		}
		done := l.changed
		if err == nil {
			l.conn, l.failed, l.changed = c, nil, nil
			l.live[c] = struct{}{}
			l.options.Opened()
			l.all.Go(c.write)
			l.all.Go(c.read)
		} else {
			l.failed, l.changed = err, make(chan struct{})
		}
		l.mu.Unlock()
		close(done)
		if err == nil {
			return
		}
		if c != nil {
			c.net.Close()
		}
		select {
		case <-time.After(time.Duration(wait * (1 + waitJitter*(2*rand.Float64()-1)))):
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *Line) dial() (*conn, error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.options.Timeout)
	defer cancel()
	raw, err := l.options.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := newConn(l, raw)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// lost takes a connection away from calls to come.
func (l *Line) lost(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn == c {
		l.conn = nil
	}
}

// gone takes note that nothing is left of a connection.
func (l *Line) gone(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.live, c)
	l.options.Closed()
}

// Caller makes calls one after the other; one goroutine uses it at a time.
type Caller struct {
	line *Line
	x    *exchange
}

// NewCaller returns a caller on the line.
func (l *Line) NewCaller() *Caller { return &Caller{line: l, x: newExchange()} }

// Do makes one call and blocks until it is over, or ctx is. The result is valid until the next call; nothing of message and fields
// is kept. What the target surely did not look at is sent once more.
func (c *Caller) Do(ctx context.Context, message []byte, fields []hpack.HeaderField) *Result {
	x := c.x
	x.begin(message, fields)
	err := ctx.Err()
	if deadline, ok := ctx.Deadline(); ok {
		if x.deadline = deadline; err == nil && !time.Now().Before(deadline) {
			err = context.DeadlineExceeded
		}
	}
	if err != nil {
		c.unready(err)
		return &x.Result
	}
	stop := afterFunc(ctx, x.expire)
	c.transmit(ctx)
	if !stop() {
		c.x = newExchange() // the end of this attempt may still be told to the old one
	}
	x.unpack(c.line.options.MaxMessage)
	return &x.Result
}

// transmit sends the call until it is over.
func (c *Caller) transmit(ctx context.Context) {
	for x := c.x; ; {
		conn, err := c.line.ready(ctx)
		if err == nil && x.late.Load() {
			err = ctx.Err() // the token that said so may be gone: who awaited the transmission before took it
		}
		if err != nil {
			c.unready(err)
			return
		}
		x.renew()
		if !conn.open(x) {
			continue
		}
		conn.await(ctx, x)
		// Again where it waited for a stream on a connection that takes no more calls, and once where the target did not look at it.
		if !x.unseen || x.Sent > 1 {
			return
		}
	}
}

// unready ends a call for which there is no connection, or no time.
func (c *Caller) unready(err error) {
	c.x.At = c.line.options.Clock()
	c.x.refuse(err)
}

// afterFunc is context.AfterFunc, without the channel that this asks for where a context knows a cheaper way.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
