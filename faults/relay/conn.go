package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
)

// conn is one side of a connection's stream. Of *net.TCPConn it has CloseWrite and SetLinger, with the same meaning.
type conn struct {
	*yamux.Stream
	session *session
	local   net.Addr
	remote  net.Addr

	reading sync.Mutex // held while Stream is read

	linger atomic.Bool // Close resets
	broken atomic.Bool // the other side reset
	done   atomic.Bool // closed or reset by this side
}

var past = time.Unix(1, 0)

// Read implements net.Conn. Bytes that came before a reset are read before the reset shows. An end of the session is a reset: an
// end in order would look like an answer.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.done.Load() {
		return 0, c.failed("read", net.ErrClosed)
	}
	n, err := c.Stream.Read(p)
	return n, c.failed("read", err)
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, c.reset("write")
	}
	n, err := c.Stream.Write(p)
	return n, c.failed("write", err)
}

func (c *conn) failed(op string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.done.Load():
		return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: net.ErrClosed}
	case c.broken.Load(), c.session.mux.IsClosed():
		return c.reset(op)
	case err == io.EOF:
		return err
	case errors.Is(err, yamux.ErrTimeout):
		err = os.ErrDeadlineExceeded
	}
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

func (c *conn) reset(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: os.NewSyscallError(op, syscall.ECONNRESET)}
}

// SetReadDeadline implements net.Conn. A reset stays.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.broken.Load() || c.done.Load() {
		return nil
	}
	err := c.Stream.SetReadDeadline(t)
	c.keepBroken()
	return err
}

// SetWriteDeadline implements net.Conn. A reset stays.
func (c *conn) SetWriteDeadline(t time.Time) error {
	if c.broken.Load() || c.done.Load() {
		return nil
	}
	err := c.Stream.SetWriteDeadline(t)
	c.keepBroken()
	return err
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// keepBroken wakes blocked calls again, if a deadline was set just after a reset had woken them.
func (c *conn) keepBroken() {
	if c.broken.Load() || c.done.Load() {
		c.wake()
	}
}

func (c *conn) wake() {
	_ = c.Stream.SetReadDeadline(past)
	_ = c.Stream.SetWriteDeadline(past)
}

// breaks is called when the other side told a reset.
func (c *conn) breaks() {
	c.broken.Store(true)
	c.wake()
	_ = c.Stream.Close() // the other side waits for it
}

// SetLinger is that of *net.TCPConn: with 0, Close resets the connection. Other values change nothing.
func (c *conn) SetLinger(sec int) error {
	c.linger.Store(sec == 0)
	return nil
}

// CloseWrite ends the writing side in order. It may be called once.
func (c *conn) CloseWrite() error {
	if c.broken.Load() {
		return c.reset("close")
	}
	return c.Stream.Close()
}

// Close implements net.Conn. With SetLinger(0) the other side sees a reset. It also sees one when it sent bytes that are unread, or
// when it sends more, as over TCP.
func (c *conn) Close() error {
	if c.done.Swap(true) {
		return &net.OpError{Op: "close", Net: "tcp", Source: c.local, Addr: c.remote, Err: net.ErrClosed}
	}
	c.session.forget(c)
	reset := c.linger.Load() && !c.broken.Load()
	var known <-chan struct{}
	if reset {
		known = c.tellReset()
	}
	c.wake()
	if !reset {
		_ = c.Stream.Close()
	}
	c.session.background(func() { c.drain(known) })
	return nil
}

// tellReset tells the other side of a reset. The stream must not end before known is closed: its end would overtake the reset, and
// look like an end in order. Without a session there is no other side.
func (c *conn) tellReset() (known <-chan struct{}) {
	known = c.session.awaitKnown(c.StreamID())
	_ = c.session.control.send(message{Reset: c.StreamID()})
	return known
}

// orphaned is how long a closed connection waits for the other side's end. Then it is reset, as a kernel does.
const orphaned = time.Minute

// drain takes what the other side still sends until it ends the stream. known: this side told a reset.
func (c *conn) drain(known <-chan struct{}) {
	c.awaitRead()
	if known == nil && !c.broken.Load() {
		_ = c.Stream.SetReadDeadline(time.Now().Add(orphaned))
		n, err := c.Stream.Read(make([]byte, 1))
		if n > 0 || errors.Is(err, yamux.ErrTimeout) {
			known = c.tellReset()
		}
	}
	if known != nil {
		select {
		case <-known:
		case <-c.session.mux.CloseChan():
		}
		_ = c.Stream.Close()
	}
	_ = c.Stream.SetReadDeadline(time.Time{})
	_, _ = io.Copy(io.Discard, c.Stream)
}

// awaitRead waits for the end of the last Read. Later ones see that the connection is closed.
func (c *conn) awaitRead() {
	c.reading.Lock()
	defer c.reading.Unlock()
}

// LocalAddr is the relay's address that was connected to.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of who connected to the relay.
func (c *conn) RemoteAddr() net.Addr { return c.remote }
