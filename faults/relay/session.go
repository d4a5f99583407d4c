package relay

import (
	"net"
	"sync"

	"github.com/hashicorp/yamux"
)

// session is one side of a multiplexed connection. It is safe for concurrent use.
type session struct {
	mux      *yamux.Session
	control  *control
	draining sync.WaitGroup // closed connections whose other side has not ended

	mu     sync.Mutex
	conns  map[uint32]*conn
	newest uint32
	over   bool
	// early are streams that were reset before they were registered: messages and new streams come by different ways.
	early map[uint32]bool
	// told are the streams whose reset this side told, until the other side knows.
	told map[uint32]chan struct{}
}

func newSession(mux *yamux.Session, c *control) *session {
	return &session{mux: mux, control: c, conns: make(map[uint32]*conn), early: make(map[uint32]bool), told: make(map[uint32]chan struct{})}
}

// register makes the connection of a stream known, before any of its bytes are read or written.
func (s *session) register(stream *yamux.Stream) *conn {
	c := &conn{Stream: stream, session: s}
	s.mu.Lock()
	s.conns[stream.StreamID()] = c
	s.newest = max(s.newest, stream.StreamID())
	early := s.early[stream.StreamID()]
	delete(s.early, stream.StreamID())
	s.mu.Unlock()
	if early {
		c.breaks()
	}
	return c
}

func (s *session) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.StreamID())
}

// unregistered bounds how many streams can be newer than one that is not registered yet: far fewer wait to be accepted.
const unregistered = 1 << 14

// reset is called when the other side told a reset.
func (s *session) reset(id uint32) {
	s.mu.Lock()
	c := s.conns[id]
	if c == nil {
		s.early[id] = true // or the connection was closed on this side
		for old := range s.early {
			if len(s.early) > 1024 && old+unregistered < s.newest {
				delete(s.early, old)
			}
		}
	}
	s.mu.Unlock()
	if c != nil {
		c.breaks()
	}
	s.background(func() { _ = s.control.send(message{Known: id}) })
}

// awaitKnown returns a channel that is closed when the other side knows of the reset of a stream.
func (s *session) awaitKnown(id uint32) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told[id] == nil {
		s.told[id] = make(chan struct{})
	}
	return s.told[id]
}

// known is called when the other side knows of the reset of a stream.
func (s *session) known(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if waits := s.told[id]; waits != nil {
		close(waits)
		delete(s.told, id)
	}
}

// background runs do, which ends with the session; close waits for it.
func (s *session) background(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.draining.Go(do)
	}
}

// close ends the session: each of its connections is reset.
func (s *session) close() {
	_ = s.mux.Close()
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	s.draining.Wait()
}

// tcpAddr is an address as a *net.TCPConn has it.
func tcpAddr(address string) net.Addr {
	if a, err := net.ResolveTCPAddr("tcp", address); err == nil {
		return a
	}
	return &net.TCPAddr{}
}
