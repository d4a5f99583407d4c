package toxi

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// source is the connection that a lane reads. Without a fault on the link it writes the bytes to the other end
// itself. That saves two goroutines and two copies a chunk.
type source struct {
	net.Conn
	lane *lane
}

// WriteTo implements io.WriterTo, which the library uses to read. w leads into the lane.
func (s *source) WriteTo(w io.Writer) (total int64, err error) {
	bypass := s.lane.bypass
	buffer := make([]byte, chunk)
	for {
		n, err := s.Conn.Read(buffer)
		if n > 0 {
			total += int64(n)
			s.lane.flow.passes(s.lane.direction)
			rest := bypass.pass(buffer[:n])
			if len(rest) > 0 {
				bypass.entered += int64(len(rest))
				_, _ = w.Write(rest) // cannot fail: it copies
			}
		}
		switch {
		case err == io.EOF:
			return total, nil
		case err != nil:
			s.lane.reset.Store(true)
			return total, err
		}
	}
}

// chunk bounds one read. In bytes.
const chunk = 32 << 10

// bypass passes bytes around a lane. It is open while no fault is in force on the link and the lane is empty, so that
// bytes never overtake each other.
type bypass struct {
	lane    *lane
	to      net.Conn
	entered int64        // bytes that went into the lane; only the reading goroutine uses it
	left    atomic.Int64 // bytes that left the lane

	mu          sync.Mutex
	writing     bool
	interrupted bool
}

// pass writes p around the lane. It returns the bytes that have to go through the lane.
func (b *bypass) pass(p []byte) (rest []byte) {
	if !b.begin() {
		return p
	}
	n, err := b.to.Write(p)
	b.finish()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return p[n:]
	}
	// The reader of the bytes has closed. Its kernel would answer with a reset, so the link resets too.
	b.lane.flow.abort()
	return nil
}

// begin reports whether the bypass is open, and enters it.
func (b *bypass) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.lane.flow
	b.writing = f.link.active.Load().idle() && b.entered == b.left.Load() && !f.silenced.Load() && !f.probing
	return b.writing
}

func (b *bypass) finish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing = false
	if b.interrupted {
		b.interrupted = false
		_ = b.to.SetWriteDeadline(time.Time{})
	}
}

// close interrupts a blocked write, because a fault in force rules the unwritten bytes. The new active faults are
// stored before this call.
func (b *bypass) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing {
		b.interrupted = true
		_ = b.to.SetWriteDeadline(time.Unix(1, 0))
	}
}

// sink is the connection that a lane writes. The library closes it once, after the last byte or the first error.
type sink struct {
	conn net.Conn
	lane *lane
}

func (s sink) Write(p []byte) (int, error) {
	n, err := s.conn.Write(p)
	s.lane.bypass.left.Add(int64(n))
	if err != nil {
		// The reader of the bytes has closed. Its kernel would answer with a reset, so the link resets too.
		s.lane.flow.readerEnded(s.lane.direction)
	}
	return n, err
}

// Close passes on the end of the source: a reset, or an end in order. The other direction goes on after an end in order:
// who ended may still read. The connection is over once both directions are, or once the client has closed it.
func (s sink) Close() error {
	defer s.lane.flow.link.running.Done()
	f, rule := s.lane.flow, s.lane.closeRule.Load()
	switch {
	case f.over():
		// The end was not the source's. Both ends are being closed, perhaps with a reset, which an orderly close must
		// not overtake.
	case rule != nil:
		rule.finish(f)
	case s.lane.reset.Load():
		f.abort()
	case s.lane.direction == toTarget && closed(f.client), f.halves.Add(1) == 2, !closeWrite(s.conn):
		f.end()
	case s.lane.direction == toTarget:
		f.link.clientEnded(f)
	}
	return nil
}

// closeWrite ends the writing side of a connection. It returns false if the connection has no writing side to end alone.
func closeWrite(c net.Conn) bool {
	half, ok := c.(interface{ CloseWrite() error })
	return ok && !errors.Is(half.CloseWrite(), errors.ErrUnsupported)
}

// closed reports whether a connection of this process was closed; false if that is not known.
func closed(c net.Conn) bool {
	switch c := c.(type) {
	case syscall.Conn:
		raw, err := c.SyscallConn()
		return err != nil || raw.Control(func(uintptr) {}) != nil
	case interface{ Closed() bool }:
		return c.Closed()
	}
	return false
}

// maxClientEnded bounds the connections of a link whose clients have ended while their targets have not.
const maxClientEnded = 512

// clientEnded registers a connection whose client has ended. A client of another process that closed looks like one that
// only ended its writing side. So a target that does not answer would keep a connection for every client that gave up: beyond a bound the
// connection whose client ended first is closed.
func (l *Link) clientEnded(f *flow) {
	if oldest := l.registerEnded(f); oldest != nil {
		oldest.end()
	}
}

// registerEnded returns the connection to close; nil: none.
func (l *Link) registerEnded(f *flow) (oldest *flow) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.ended) >= maxClientEnded {
		l.ended = slices.DeleteFunc(l.ended, (*flow).over)
	}
	if len(l.ended) >= maxClientEnded {
		oldest = l.ended[0]
		l.ended = slices.Delete(l.ended, 0, 1)
	}
	l.ended = append(l.ended, f)
	return oldest
}
