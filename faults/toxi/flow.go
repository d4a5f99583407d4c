package toxi

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flow is one connection over a link. The near end faces the client, the far end the target. A lane carries the bytes
// of each direction.
type flow struct {
	link      *Link
	id        uint64
	address   string // the dialled address; empty if unknown
	reached   string // the address of the far end; empty before there is one
	born      time.Time
	near, far net.Conn
	client    net.Conn // the other end of near; nil: not of this process
	free      func()   // called when both ends are closed; may be nil
	lanes     [2]*lane

	// requests counts the requests. answered: a byte came from the target since the last request began.
	requests atomic.Uint64
	answered atomic.Bool
	// silenced: a fault made the connection half-open. It never carries bytes again.
	silenced atomic.Bool
	// probing: bytes go through the lanes even without a fault.
	probing bool

	halves atomic.Int32 // directions that have ended in order
	ending sync.Once
	ended  chan struct{} // closed once both ends are; bytes still in the lanes are lost

	mu   sync.Mutex
	met  map[*Fault]directions
	seen map[*activeFault]*seen // what taps saw
}

// directions are the directions in which a fault acted on a connection, one bit for each.
type directions uint8

func newFlow(l *Link, id uint64) *flow {
	f := &flow{link: l, id: id, born: time.Now(), ended: make(chan struct{})}
	for d := range f.lanes {
		f.lanes[d] = &lane{flow: f, direction: direction(d)}
	}
	return f
}

// joins sets the two ends, before the connection carries bytes.
func (f *flow) joins(near, far net.Conn) {
	f.near, f.far, f.reached = near, far, far.RemoteAddr().String()
}

// passes counts requests. A request begins with the first byte to the target, and with the first one after a byte
// from the target.
func (f *flow) passes(d direction) {
	switch {
	case d == fromTarget:
		if !f.answered.Load() { // loads do not contend between the two directions, stores do
			f.answered.Store(true)
		}
	case f.requests.Load() == 0 || f.answered.Load():
		f.answered.Store(false)
		f.requests.Add(1)
	}
}

// charge counts n bytes of this connection in a direction for each fault. The first time it also counts the
// connection.
func (f *flow) charge(by []*activeFault, d direction, n int) {
	if len(by) == 0 || f.probing { // the link's own bytes are no traffic
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, active := range by {
		fault := active.Fault
		before := f.met[fault]
		if f.met == nil {
			f.met = map[*Fault]directions{}
		}
		if before == 0 {
			fault.connections.Add(1)
		}
		if before&(1<<d) == 0 {
			fault.met[d].connections.Add(1)
		}
		f.met[fault] = before | 1<<d
		fault.met[d].bytes.Add(int64(n))
	}
}

// end closes both ends in order.
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
