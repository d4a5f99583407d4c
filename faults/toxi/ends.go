package toxi

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// source is where a lane's bytes come from. While nothing is asked of the link but to pass bytes, it writes them to the
// other end by itself: that spares two goroutines and two copies a chunk.
type source struct {
	net.Conn
	lane *lane
}

// WriteTo implements io.WriterTo, so that the library reads by it. w is the way into the lane.
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
				_, _ = w.Write(rest) // it copies, and never fails
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

// chunk is the most that is read at once.
const chunk = 32 << 10

// bypass is the way around a lane. It is open while no fault is in force on the link and all that entered the lane has
// left it, so that bytes never overtake each other.
type bypass struct {
	lane    *lane
	to      net.Conn
	entered int64        // bytes that went into the lane; of the one goroutine that reads
	left    atomic.Int64 // bytes that came out

	mu          sync.Mutex
	writing     bool
	interrupted bool
}

// pass writes p around the lane, and returns what has to go through it.
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
	// The reader has gone: it would answer with a reset, and so do we.
	b.lane.flow.abort()
	return nil
}

// begin says whether the detour is open, and enters it.
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

// close makes a write that waits for its reader give up: a fault is in force, and rules what was not written yet. New
// orders are there before this is called.
func (b *bypass) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writing {
		b.interrupted = true
		_ = b.to.SetWriteDeadline(time.Unix(1, 0))
	}
}

// sink is where a lane's bytes go. The library closes it once, after the last byte or the first error.
type sink struct {
	conn net.Conn
	lane *lane
}

func (s sink) Write(p []byte) (int, error) {
	n, err := s.conn.Write(p)
	s.lane.bypass.left.Add(int64(n))
	if err != nil {
		// The reader has gone: it would answer with a reset, and so do we.
		s.lane.flow.abort()
	}
	return n, err
}

// Close passes on how the source ended: with a reset, or in order. A target that ended in order may still listen; a
// client that did has left.
func (s sink) Close() error {
	defer s.lane.flow.link.running.Done()
	f, rule := s.lane.flow, s.lane.closeRule.Load()
	switch half, ok := s.conn.(interface{ CloseWrite() error }); {
	case f.over():
		// Whoever ended the connection closes both ends, perhaps with a reset that an end in order must not overtake.
	case rule != nil:
		rule.finish(f)
	case s.lane.reset.Load():
		f.abort()
	case s.lane.direction == fromTarget && ok:
		_ = half.CloseWrite()
	default:
		f.end()
	}
	return nil
}
