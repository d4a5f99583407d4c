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

// Options are the settings that all calls of a channel share.
type Options struct {
	// Dial makes a connection that is ready for HTTP/2.
	Dial func(ctx context.Context) (net.Conn, error)
	// Timeout bounds one attempt to connect, including the target's first frame.
	Timeout time.Duration
	// Clock is the run's clock.
	Clock func() time.Duration
	// Scheme is http or https, Path is /package.Service/Method.
	Scheme, Authority, Path string
	// MaxHeaders bounds the headers, or trailers, of an answer; MaxMessage bounds its message. In bytes.
	MaxHeaders uint32
	MaxMessage int
	// Opened and Closed are called once for each established connection. They must not block.
	Opened, Closed func()
}

// ErrClosed is the error of a call on a closed channel.
var ErrClosed = errors.New("the channel is closed")

// Channel makes any number of concurrent calls over one connection at a time. After a connection is lost, the next
// call makes another. Channel is safe for concurrent use.
type Channel struct {
	options Options
	fields  []hpack.HeaderField
	size    int64 // of the fields, in bytes
	ctx     context.Context
	cancel  context.CancelFunc
	all     sync.WaitGroup

	mu   sync.Mutex
	conn *conn // nil: no connection takes calls
	// changed is closed when an attempt to connect ends; nil: no attempt is running. failed is the error of the last
	// attempt. Until a connection is made, calls fail with it at once.
	changed chan struct{}
	failed  error
	live    map[*conn]struct{}
}

// New returns a channel. It connects at the first call.
func New(o Options) *Channel {
	ch := &Channel{options: o, fields: o.shared(), live: make(map[*conn]struct{})}
	for i := range ch.fields {
		ch.size += int64(ch.fields[i].Size())
	}
	ch.ctx, ch.cancel = context.WithCancel(context.Background())
	return ch
}

// Close ends the connections and the calls on them. It blocks until all goroutines have ended.
func (ch *Channel) Close() {
	ch.cancel()
	ch.mu.Lock()
	for c := range ch.live {
		c.net.Close()
	}
	ch.mu.Unlock()
	ch.all.Wait()
}

// ready returns a connection that takes calls. It waits while the first attempt to connect is running.
func (ch *Channel) ready(ctx context.Context) (*conn, error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	for ch.conn == nil {
		switch {
		case ch.ctx.Err() != nil:
			return nil, ErrClosed
		case ch.failed != nil:
			return nil, ch.failed
		case ch.changed == nil:
			ch.changed = make(chan struct{})
			ch.all.Go(ch.connect)
		}
		changed := ch.changed
		ch.mu.Unlock()
		var err error
		select {
		case <-changed:
		case <-ctx.Done():
			err = ctx.Err()
		}
		ch.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	return ch.conn, nil
}

// The waits between attempts to connect, as the driver sets them for grpc-go. A long wait would show as a slow
// recovery of the target.
const (
	firstWait  = 50 * time.Millisecond
	waitGrowth = 1.6
	waitJitter = 0.2
	mostWait   = 500 * time.Millisecond
)

// connect makes the channel's connection. It tries until it succeeds or the channel is closed.
func (ch *Channel) connect() {
	for wait := float64(firstWait); ; wait = min(wait*waitGrowth, float64(mostWait)) {
		c, err := ch.dial()
		ch.mu.Lock()
		if err == nil && ch.ctx.Err() != nil {
			err = ErrClosed
		}
		done := ch.changed
		if err == nil {
			ch.conn, ch.failed, ch.changed = c, nil, nil
			ch.live[c] = struct{}{}
			ch.options.Opened()
			ch.all.Go(c.write)
			ch.all.Go(c.read)
		} else {
			ch.failed, ch.changed = err, make(chan struct{})
		}
		ch.mu.Unlock()
		close(done)
		if err == nil {
			return
		}
		if c != nil {
			c.net.Close()
		}
		select {
		case <-time.After(time.Duration(wait * (1 + waitJitter*(2*rand.Float64()-1)))):
		case <-ch.ctx.Done():
			return
		}
	}
}

func (ch *Channel) dial() (*conn, error) {
	ctx, cancel := context.WithTimeout(ch.ctx, ch.options.Timeout)
	defer cancel()
	raw, err := ch.options.Dial(ctx)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	c, err := newConn(ch, raw)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	return c, nil
}

// retire makes sure that later calls do not use a connection.
func (ch *Channel) retire(c *conn) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.conn == c {
		ch.conn = nil
	}
}

// remove removes a connection that has ended.
func (ch *Channel) remove(c *conn) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	delete(ch.live, c)
	ch.options.Closed()
}

// Caller makes calls one after the other. One goroutine uses it at a time.
type Caller struct {
	channel *Channel
	call    *call
}

// NewCaller returns a caller on the channel.
func (ch *Channel) NewCaller() *Caller { return &Caller{channel: ch, call: newCall()} }

// Do makes one call. It blocks until the call is over, or ctx ends. The result is valid until the next call. Do keeps
// neither message nor fields. It resends a call once if the target did not process it.
func (c *Caller) Do(ctx context.Context, message []byte, fields []hpack.HeaderField) *Result {
	x := c.call
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
		c.call = newCall() // the end of ctx may still reach the old one
	}
	x.unpack(c.channel.options.MaxMessage)
	return &x.Result
}

// transmit sends the call until it is over.
func (c *Caller) transmit(ctx context.Context) {
	for x := c.call; ; {
		conn, err := c.channel.ready(ctx)
		if err == nil && x.late.Load() {
			err = ctx.Err() // The wake-up may already have been consumed while waiting for the previous transmission.
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
		// The call is repeated if its connection drained while it waited for a stream. It is also repeated once if
		// the target did not process it.
		if !x.unseen || x.Sent > 1 {
			return
		}
	}
}

// unready ends a call that got no connection, or has no time left.
func (c *Caller) unready(err error) {
	c.call.At = c.channel.options.Clock()
	c.call.refuse(err)
}

// afterFunc is context.AfterFunc. It saves the channel that AfterFunc allocates, if the context offers a cheaper way.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
