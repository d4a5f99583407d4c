package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errIdleClosed marks a request that was not written: its broker had closed the idle connection.
var errIdleClosed = errors.New("the broker had closed the idle connection")

// trackedConn is a connection that its network tracks until it is closed.
//
// Brokers close connections that are idle (connections.max.idle.ms). sarama would write the next request and get no answer:
// it reads only what it waits for. So a Write on an idle connection first looks whether the broker has closed it, and dials
// again. Not one byte of the request was written before. An idle connection is one without unanswered requests; a request
// that gets no answer (acks: none) is none of those.
type trackedConn struct {
	network          *network
	dialled, address string
	unanswered       atomic.Int64
	answers          frameCounter // used by Read only

	mu            sync.Mutex
	conn          net.Conn
	closed        bool
	writeDeadline time.Time
}

func (c *trackedConn) current() net.Conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.conn
}

// Read implements net.Conn.
func (c *trackedConn) Read(p []byte) (int, error) {
	n, err := c.current().Read(p)
	if n > 0 {
		if whole := c.answers.feed(p[:n]); whole > 0 {
			c.unanswered.Add(-whole)
		}
	}
	return n, err
}

// Write implements net.Conn. One Write is one request.
func (c *trackedConn) Write(p []byte) (int, error) {
	conn := c.current()
	if c.unanswered.Load() == 0 && hungUp(conn) {
		var err error
		if conn, err = c.redial(); err != nil {
			return 0, err
		}
	}
	if !c.network.silent || !isProduce(p) {
		c.unanswered.Add(1)
	}
	return conn.Write(p)
}

// isProduce says whether a request is one for Produce. Its length stands before the API's key.
func isProduce(request []byte) bool {
	const produce = 0
	return len(request) >= 6 && binary.BigEndian.Uint16(request[4:]) == produce
}

// redial replaces an idle connection.
func (c *trackedConn) redial() (net.Conn, error) {
	conn, err := c.network.connect(c.dialled, c.address)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errIdleClosed, err)
	}
	if c.network.logins != nil {
		if err := c.network.login(conn, c.address); err != nil {
			conn.Close()
			return nil, fmt.Errorf("%w: %w", errIdleClosed, err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.network.isClosed() {
		conn.Close()
		return nil, net.ErrClosed
	}
	c.conn.Close()
	_ = conn.SetWriteDeadline(c.writeDeadline) // an error shows in the write
	c.conn = conn
	return conn, nil
}

// Close implements net.Conn.
func (c *trackedConn) Close() error {
	c.network.mu.Lock()
	delete(c.network.live, c)
	c.network.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.conn.Close()
}

// LocalAddr implements net.Conn.
func (c *trackedConn) LocalAddr() net.Addr { return c.current().LocalAddr() }

// RemoteAddr implements net.Conn.
func (c *trackedConn) RemoteAddr() net.Addr { return c.current().RemoteAddr() }

// SetDeadline implements net.Conn.
func (c *trackedConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.Conn.
func (c *trackedConn) SetReadDeadline(t time.Time) error { return c.current().SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn.
func (c *trackedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeDeadline = t
	return c.conn.SetWriteDeadline(t)
}

// frameCounter counts whole responses: each begins with its length.
type frameCounter struct {
	head [4]byte
	got  int   // bytes of head
	left int64 // missing bytes of the response, behind head
}

// feed takes the next bytes, and returns how many responses they complete.
func (f *frameCounter) feed(p []byte) (whole int64) {
	for len(p) > 0 {
		if f.got < len(f.head) {
			n := copy(f.head[f.got:], p)
			f.got += n
			p = p[n:]
			if f.got < len(f.head) {
				return whole
			}
			f.left = int64(binary.BigEndian.Uint32(f.head[:]))
		}
		n := min(int64(len(p)), f.left)
		f.left -= n
		p = p[n:]
		if f.left == 0 {
			f.got = 0
			whole++
		}
	}
	return whole
}
