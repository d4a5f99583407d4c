package rest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is one HTTP/1.1 connection with its read buffer. One goroutine uses it at a time.
//
// Its deadlines are cheap. Most attempts end within maxUnwatched, and cost neither a timer nor an allocation. The
// connection's own deadline is kept some way ahead. An attempt that meets that deadline checks its context, and is
// watched from then on: the full deadline is set, and the end of the context interrupts it.
type conn struct {
	net.Conn
	peeker
	peeking peeking // nil: the connection is a socket, or has no Peek
	direct  rawExchange
	tls     bool
	socket  *socket   // nil if something else was dialled
	until   time.Time // the deadline that is set; zero when it must be set anew
	// stop ends the watch over the context of the current attempt; nil while no attempt is watched.
	stop func() bool

	reused bool          // the connection carried a request before
	since  time.Duration // on the run's clock: idle since then
	base   int64         // bytes that were written before the current request
	rest   []byte        // of the current request: to be written while the answer is read

	buf  []byte
	r, w int // buf[r:w] is read from the peer and not yet used
}

const (
	// maxUnwatched is how long an attempt runs unwatched. It bounds how late the attempt notices that its context was
	// cancelled.
	maxUnwatched = 10 * time.Millisecond
	// smallBuffer holds most answers whole. The buffer grows for long heads and long bodies. In bytes.
	smallBuffer = 4 << 10
	largeBuffer = 64 << 10
)

func newConn(c net.Conn, raw syscall.RawConn, isTLS bool) *conn {
	out := &conn{Conn: c, tls: isTLS, buf: make([]byte, smallBuffer)}
	out.peeker.init(raw)
	out.peeking = peekingOf(c)
	out.socket = socketOf(c)
	if !isTLS && raw != nil {
		out.direct.init(raw)
	}
	return out
}

// begin sets the deadlines of an attempt that starts now.
func (c *conn) begin(ctx context.Context, now time.Time) error {
	if c.tls {
		// A TLS connection does not survive a write that timed out, so it gets no early deadline.
		return c.watch(ctx)
	}
	end := now.Add(2 * maxUnwatched)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	} else if c.until.Sub(now) > maxUnwatched {
		return nil
	}
	c.until = end
	return c.SetDeadline(end)
}

// watch sets the attempt's own deadline and lets the end of ctx interrupt it.
func (c *conn) watch(ctx context.Context) error {
	c.until = time.Time{}
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	c.stop = context.AfterFunc(ctx, func() { c.SetDeadline(longAgo) })
	return nil
}

// bound ends reading with bounded, a child of the attempt's ctx.
func (c *conn) bound(ctx, bounded context.Context) error {
	if c.stop == nil {
		if err := c.watch(ctx); err != nil {
			return err
		}
	}
	deadline, _ := bounded.Deadline()
	if err := c.SetReadDeadline(deadline); err != nil {
		return err
	}
	return ctx.Err() // its end may have been overwritten
}

var longAgo = time.Unix(1, 0)

// end ends the watch. It reports whether the connection can be used again. It cannot if the interruption may still
// come.
func (c *conn) end() bool {
	if c.stop == nil {
		return true
	}
	stopped := c.stop()
	c.stop = nil
	return stopped
}

// continues reports whether a read or write goes on after err. It does when err is an early deadline; the attempt is
// watched from then on.
func (c *conn) continues(ctx context.Context, err error) bool {
	if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
		return false
	}
	return c.stop != nil || c.watch(ctx) == nil
}

// hasDirect reports whether the connection can send its next request by exchange.
func (c *conn) hasDirect() bool { return c.direct.raw != nil && c.r == c.w }

// exchange sends a request over an idle connection and reads the first bytes of the answer. It returns errStale when
// the connection cannot carry a request; then nothing was sent.
func (c *conn) exchange(ctx context.Context, b []byte) error {
	c.r, c.w = 0, 0
	stale, sent, got, err := c.direct.do(b, c.buf)
	c.w = got
	if c.socket != nil {
		c.socket.sent.Add(int64(sent))
		if err != nil {
			c.socket.note(err)
		}
	}
	switch {
	case stale:
		return errStale
	case sent < len(b) && err == nil:
		c.rest = b[sent:]
		return nil
	case err != nil && c.continues(ctx, err):
		return nil
	}
	return err
}

var errStale = errors.New("the idle connection cannot carry a request")

// sentAtOnce is the longest request that send writes by itself: a new socket has room for it. In bytes.
const sentAtOnce = 64 << 10

// takeRest returns the part of the request that is yet to be written.
func (c *conn) takeRest() []byte {
	rest := c.rest
	c.rest = nil
	return rest
}

// send writes a request. It leaves a long one to be written while the answer is read: a peer may answer before the request
// is whole, and read no further. A short one can meet such a peer too. Then send returns errEarly, so that the answer is
// read instead of waiting for the deadline.
func (c *conn) send(ctx context.Context, b []byte) error {
	if len(b) > sentAtOnce {
		c.rest = b
		return nil
	}
	for {
		n, err := c.Write(b)
		b = b[n:]
		if err == nil {
			return nil
		}
		if c.tls || !c.continues(ctx, err) {
			return err
		}
		if c.look() == peekData {
			return errEarly
		}
		next := time.Now().Add(maxUnwatched)
		if deadline, ok := ctx.Deadline(); ok && deadline.Before(next) {
			next = deadline
		}
		if err := c.SetWriteDeadline(next); err != nil {
			return err
		}
	}
}

var errEarly = errors.New("answered before the request was whole")

// fill reads more bytes into the buffer, after those already there. It invalidates earlier slices of the buffer.
func (c *conn) fill(ctx context.Context) error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.w == len(c.buf) {
		if c.r == 0 {
			c.grow()
		} else {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		}
	}
	for {
		n, err := c.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			return nil
		}
		if err == nil {
			return io.ErrNoProgress
		}
		if !c.continues(ctx, err) {
			return err
		}
	}
}

func (c *conn) grow() {
	buf := make([]byte, 2*len(c.buf))
	c.w = copy(buf, c.buf[c.r:c.w])
	c.r = 0
	c.buf = buf
}

// mark notes that a request begins.
func (c *conn) mark() {
	if c.socket != nil {
		c.base = c.socket.sent.Load()
	}
}

// truncated reports whether the peer's bytes ended without the close_notify that ends them over TLS (RFC 8446, 6.1).
// Whoever cuts a TCP connection can cause such an end.
func (c *conn) truncated() bool { return c.tls && c.socket != nil && c.socket.ended.Load() }

// readLine takes one line with its LF, and reads more bytes as needed. A line longer than bound is malformed.
func (c *conn) readLine(ctx context.Context, bound int) ([]byte, error) {
	for searched := 0; ; {
		if i := bytes.IndexByte(c.buf[c.r+searched:c.w], '\n'); i >= 0 {
			line := c.buf[c.r : c.r+searched+i+1]
			c.r += len(line)
			return line, nil
		}
		searched = c.w - c.r
		if searched >= bound {
			return nil, malformed("line longer than it may be")
		}
		if err := c.fill(ctx); err != nil {
			return nil, err
		}
	}
}

// usable reports whether an idle connection can carry another request. It cannot if the peer closed it or sent
// unrequested bytes, which the next request would take for its answer.
func (c *conn) usable() bool {
	if c.r != c.w {
		return false
	}
	switch c.look() {
	case peekNothing:
		return true
	case peekData:
		return c.tls && c.digest()
	}
	return false
}

// digest reads TLS records without application data (session tickets). It returns false if there was more.
func (c *conn) digest() bool {
	c.until = time.Time{}
	if err := c.SetDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return false
	}
	n, err := c.Read(c.buf)
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded)
}

// peeking is a connection without a socket that can be looked at, as a socket can by system calls.
type peeking interface {
	// Peek reports whether a byte can be read. Where none can, err tells how the peer ended the connection; nil: the peer
	// has not. Peek neither blocks nor consumes anything.
	Peek() (data bool, err error)
}

// peekingOf returns the connection under c; nil when that connection has no Peek.
func peekingOf(c net.Conn) peeking {
	if s := socketOf(c); s != nil {
		c = s.Conn
	}
	p, _ := c.(peeking)
	return p
}

// look peeks at the connection, by a system call or by the connection's own Peek.
func (c *conn) look() peeked {
	if c.peeking == nil {
		return c.peek()
	}
	switch data, err := c.peeking.Peek(); {
	case data:
		return peekData
	case err != nil:
		return peekEnd
	}
	return peekNothing
}

// peeked is the result of a look at the socket.
type peeked uint8

const (
	peekNothing peeked = iota
	peekData
	peekEnd // closed or reset by the peer
)
