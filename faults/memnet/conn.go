package memnet

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// conn is one end of a connection. It implements net.Conn, and of *net.TCPConn's what its users look for: CloseWrite,
// CloseRead and SetLinger.
type conn struct {
	network       string
	local, remote net.Addr
	in, out       *way

	mu     sync.Mutex // held for moments only
	linger int        // 0: Close resets
	closed bool
}

// pair makes the two ends of a connection: that of who dialled, and that of who accepts.
func pair(network string, from, to net.Addr) (near, far *conn) {
	dialler, accepter := new(end), new(end)
	up, down := newWay(accepter, dialler), newWay(dialler, accepter)
	near = &conn{network: network, local: from, remote: to, in: down, out: up, linger: -1}
	far = &conn{network: network, local: to, remote: from, in: up, out: down, linger: -1}
	return near, far
}

// Read implements net.Conn. Bytes that came before a reset are read before it shows.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.failed("read", err)
}

// Write implements net.Conn. It blocks while the peer's window is full.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.failed("write", err)
}

// Peek tells what the next Read would, without waiting and taking nothing: whether there is a byte, and where there is none how
// the peer ended the connection, nil while it has not.
func (c *conn) Peek() (data bool, err error) { return c.in.peek() }

// failed is err as package net would tell it.
func (c *conn) failed(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	if errno, ok := err.(syscall.Errno); ok {
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: c.network, Source: c.local, Addr: c.remote, Err: err}
}

// Close implements net.Conn. It ends the connection in order, unless bytes are unread or the linger is 0: then it resets.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.closed = true
	if unread := c.in.leave(); unread || c.linger == 0 {
		if finished, _ := c.out.over(); !finished { // after an end in order the peer's next write fails as after any
			c.in.writer.met()
		}
		c.out.reset()
		c.in.reset()
		c.out.abandon()
		return nil
	}
	c.out.finish()
	c.out.abandon()
	return nil
}

// reset ends the connection with a reset.
func (c *conn) reset() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// CloseWrite ends this side's writing in order.
func (c *conn) CloseWrite() error {
	if c.Closed() {
		return c.failed("close", net.ErrClosed)
	}
	finished, broken := c.out.over()
	if ended, _ := c.in.over(); broken || finished && ended {
		return c.failed("shutdown", syscall.ENOTCONN)
	}
	c.out.finish()
	return nil
}

// CloseRead ends this side's reading; what comes later is lost.
func (c *conn) CloseRead() error {
	if c.Closed() {
		return c.failed("close", net.ErrClosed)
	}
	c.in.deafen()
	return nil
}

// SetLinger is that of *net.TCPConn: with 0, Close resets the connection. Other values change nothing.
func (c *conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	c.linger = sec
	return nil
}

// Closed reports whether this side was closed.
func (c *conn) Closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	return c.failed("set", c.in.setDeadline(&c.in.reading, t))
}

// SetWriteDeadline implements net.Conn.
func (c *conn) SetWriteDeadline(t time.Time) error {
	return c.failed("set", c.out.setDeadline(&c.out.writing, t))
}
