// Package witness stands between a link and its target, and counts the requests and answers there. The order is driver, link,
// witness, target; on a link between services, caller, link, witness, callee. It changes nothing. It is not a proxy: each connection to the target is the
// dialled socket itself, and the witness reads a copy of the bytes. So the case and order of headers, trailers,
// interim and early answers, half-closes, resets and refused connections stay as they are.
//
// The witness reads HTTP/1.x, HTTP/2 with prior knowledge, and gRPC, all without TLS; on a link between services Kafka and AMQP
// 0-9-1 too. It reports a connection that it
// cannot read as blind, and counts no more on that connection. The counts are then lower bounds, never wrong.
package witness

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// Sink receives the witness's observations. Many goroutines call it, and it must not block.
type Sink interface {
	// Arrived: the head of a request reached the target on connection conn. Connections are numbered from 1.
	Arrived(m drivers.Mark, conn uint64, at time.Duration)
	// Whole: the whole body of that request reached the target.
	Whole(m drivers.Mark)
	// Answered: the answer to that request was complete before the client gave it up.
	Answered(m drivers.Mark)
	// Blind: something on a connection could not be read. Later bytes of that connection are not counted.
	Blind(why string)
}

// Witness watches the connections of one stream, or of one link between services. It is safe for concurrent use.
type Witness struct {
	link     *link // nil: it is a stream's
	identity drivers.Identity
	clock    func() time.Duration
	sink     Sink
	conns    atomic.Uint64
}

// New makes the witness of a stream. It reports to sink, with times of clock, the run's clock.
func New(identity drivers.Identity, clock func() time.Duration, sink Sink) *Witness {
	return &Witness{identity: identity, clock: clock, sink: sink}
}

// Watch returns dial with the witness added. Errors are those of dial.
func (w *Witness) Watch(dial drivers.DialFunc) drivers.DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return w.watch(c), nil
	}
}

func (w *Witness) watch(c net.Conn) *conn {
	out := &conn{Conn: c, w: w, id: w.conns.Add(1)}
	out.reader = &opening{conn: out}
	return out
}

// protocolReader reads both directions of a connection. Its calls do not overlap. An error makes the connection
// blind.
type protocolReader interface {
	asked(b []byte) error
	answered(b []byte) error
	// ended: the target closed its side in order.
	ended() error
	// abandon: nothing more is read. It ends the requests on a link that are not over.
	abandon()
}

// conn is a connection to the target. Bytes count as sent once the system took them, and as answered once a read
// returned them.
type conn struct {
	net.Conn
	w  *Witness
	id uint64

	mu     sync.Mutex
	reader protocolReader // nil once blind
	// During a write the target may answer a request that the copy does not have yet. early keeps such answers until
	// the write ends. Reading must not wait for writing, because a target that answers before it reads on would block
	// both.
	writing  bool
	early    []byte
	earlyEnd bool
	left     bool // the client has ended its side
}

// tellAnswered reports a complete answer, unless the client has ended its side. The caller holds c.mu.
func (c *conn) tellAnswered(m drivers.Mark) {
	if !c.left {
		c.w.sink.Answered(m)
	}
}

// earlyBound bounds the bytes of answers during one write.
const earlyBound = 1 << 20

var (
	errOvertaken = errors.New("an answer of more than 1 MiB came before its request was written")
	errTwoWrites = errors.New("two writes at once: their order is not known")
)

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.beginWrite()
	n, err := c.Conn.Write(b)
	c.endWrite(b[:n])
	return n, err
}

func (c *conn) beginWrite() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		c.check(errTwoWrites)
	}
	c.writing = true
}

func (c *conn) endWrite(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing = false
	if c.reader != nil {
		c.check(c.reader.asked(b))
	}
	if c.reader != nil && len(c.early) > 0 {
		c.check(c.reader.answered(c.early))
	}
	if c.reader != nil && c.earlyEnd {
		c.check(c.reader.ended())
	}
	c.earlyEnd = false
	if c.early = c.early[:0]; cap(c.early) > 64<<10 {
		c.early = nil
	}
}

// Read implements net.Conn.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 || err == io.EOF {
		c.mu.Lock()
		c.received(b[:n], err == io.EOF)
		c.mu.Unlock()
	}
	return n, err
}

func (c *conn) received(b []byte, end bool) {
	switch {
	case c.reader == nil:
	case c.writing && len(c.early)+len(b) > earlyBound:
		c.check(errOvertaken)
	case c.writing:
		c.early = append(c.early, b...)
		c.earlyEnd = c.earlyEnd || end
	default:
		if len(b) > 0 {
			c.check(c.reader.answered(b))
		}
		if end && c.reader != nil {
			c.check(c.reader.ended())
		}
	}
}

// check makes the connection blind if err is set.
func (c *conn) check(err error) {
	if err == nil || c.reader == nil {
		return
	}
	c.reader.abandon()
	c.reader, c.early = nil, nil
	c.w.blind(err.Error())
}

// blind tells of a connection that cannot be read any further.
func (w *Witness) blind(why string) {
	if w.link == nil {
		w.sink.Blind(why)
	} else if to := w.link.to(); to != nil {
		to.Blind(why)
	}
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.reader != nil && c.w.link != nil {
		c.reader.abandon()
		c.reader = silent{}
	}
	c.mu.Unlock()
	return c.Conn.Close()
}

// silent reads a connection that is closed.
type silent struct{}

func (silent) asked([]byte) error    { return nil }
func (silent) answered([]byte) error { return nil }
func (silent) ended() error          { return nil }
func (silent) abandon()              {}

// The next methods are those that a link needs of a socket. conn offers no others of *net.TCPConn: the bytes of
// ReadFrom, WriteTo or SyscallConn would not be copied.

// CloseWrite ends the client's side in order. Later answers pass, but are not reported as Answered: a link tells the end of
// a client in this way also when the client has left.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	c.left = true
	c.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// SetLinger is that of *net.TCPConn. After SetLinger(0), Close resets the connection.
func (c *conn) SetLinger(sec int) error {
	if l, ok := c.Conn.(interface{ SetLinger(int) error }); ok {
		return l.SetLinger(sec)
	}
	return errors.ErrUnsupported
}

// opening waits for the client's first bytes, which identify the protocol. The target may send first: HTTP/2 servers
// send their settings.
type opening struct {
	conn   *conn
	buf    []byte
	spoken []byte
}

const (
	preface     = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	spokenBound = 64 << 10
)

func (o *opening) asked(b []byte) error {
	if len(o.buf) > 0 {
		o.buf = append(o.buf, b...)
		b = o.buf
	}
	same := min(len(b), len(preface))
	switch other, more := o.conn.w.link.protocol(o.conn, b); {
	case other != nil:
		return o.become(other, b)
	case more && len(o.buf) == 0:
		o.buf = append(o.buf, b...)
	case more:
	case string(b[:same]) != preface[:same]:
		return o.become(newHTTP1(o.conn), b)
	case same == len(preface):
		return o.become(newHTTP2(o.conn), b[same:])
	case len(o.buf) == 0:
		o.buf = append(o.buf, b...)
	}
	return nil
}

func (o *opening) become(t protocolReader, b []byte) error {
	o.conn.reader = t
	// Bytes that the target sent first are not an answer to b.
	if err := t.answered(o.spoken); err != nil {
		return err
	}
	return t.asked(b)
}

func (o *opening) answered(b []byte) error {
	if o.spoken = append(o.spoken, b...); len(o.spoken) > spokenBound {
		return errors.New("the target spoke more than 64 KiB before it was asked")
	}
	return nil
}

func (o *opening) ended() error { return nil }
func (o *opening) abandon()     {}
