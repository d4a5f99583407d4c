package toxi

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// flow is one connection over a link: the near end faces the client, the far end the target, and a lane carries bytes in
// each direction.
type flow struct {
	link      *Link
	near, far net.Conn
	free      func() // called when both ends are closed; nil: nobody waits for it
	lanes     [2]*lane

	ending sync.Once
	ended  chan struct{} // closed once both ends are: what is still on its way is lost

	mu  sync.Mutex
	met map[*Fault]struct{}
}

func newFlow(l *Link, id uint64) *flow {
	f := &flow{link: l, ended: make(chan struct{})}
	for d := range f.lanes {
		f.lanes[d] = &lane{flow: f, id: id, direction: direction(d)}
	}
	return f
}

// meets charges faults with n bytes of this connection, and with the connection itself at the first time.
func (f *flow) meets(faults []*Fault, n int) {
	if len(faults) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, fault := range faults {
		if _, ok := f.met[fault]; !ok {
			if f.met == nil {
				f.met = map[*Fault]struct{}{}
			}
			f.met[fault] = struct{}{}
			fault.connections.Add(1)
		}
		fault.bytes.Add(int64(n))
	}
}

// end closes both ends in the usual way.
func (f *flow) end() { f.finish(func(net.Conn) {}) }

// abort closes both ends with a reset.
func (f *flow) abort() {
	f.finish(func(c net.Conn) {
		if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

func (f *flow) finish(prepare func(net.Conn)) {
	f.ending.Do(func() {
		close(f.ended) // first, so that a lane whose source ends by this knows why
		for _, c := range []net.Conn{f.near, f.far} {
			prepare(c)
			c.Close()
		}
		f.link.forget(f)
		if f.free != nil {
			f.free()
		}
	})
}

// over reports whether the connection has ended.
func (f *flow) over() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// source is where a lane's bytes come from. It remembers whether the peer's last word was a reset.
type source struct {
	net.Conn
	reset *atomic.Bool
}

func (s source) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if err != nil && err != io.EOF {
		s.reset.Store(true)
	}
	return n, err
}

// sink is where a lane's bytes go. The library closes it once, after the last byte or the first error.
type sink struct {
	conn net.Conn
	lane *lane
}

func (s sink) Write(p []byte) (int, error) {
	n, err := s.conn.Write(p)
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
	f := s.lane.flow
	switch half, ok := s.conn.(interface{ CloseWrite() error }); {
	case s.lane.reset.Load():
		f.abort()
	case s.lane.direction == fromTarget && ok:
		_ = half.CloseWrite()
	default:
		f.end()
	}
	return nil
}
