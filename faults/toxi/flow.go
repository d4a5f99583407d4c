package toxi

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// flow is one connection over a link: the near end faces the client, the far end the target, and a lane carries bytes in
// each direction.
type flow struct {
	link      *Link
	id        uint64
	address   string // that is dialled; empty where the link is not told
	reached   string // the address of the far end; empty before there is one
	born      time.Time
	near, far net.Conn
	free      func() // called when both ends are closed; nil: nobody waits for it
	lanes     [2]*lane

	// requests counts the requests; answered says that a byte came from the target since the last one began.
	requests atomic.Uint64
	answered atomic.Bool
	// silenced: a fault made it half-open, and it never carries anything again.
	silenced atomic.Bool
	// probing: bytes take the way through the lanes even when they need not.
	probing bool

	ending sync.Once
	ended  chan struct{} // closed once both ends are: what is still on its way is lost

	mu  sync.Mutex
	met map[*Fault]directions
}

// directions are the directions in which a connection met a fault, a bit for each.
type directions uint8

func newFlow(l *Link, id uint64) *flow {
	f := &flow{link: l, id: id, born: time.Now(), ended: make(chan struct{})}
	for d := range f.lanes {
		f.lanes[d] = &lane{flow: f, direction: direction(d)}
	}
	return f
}

// joins gives the connection its ends, before it carries anything.
func (f *flow) joins(near, far net.Conn) {
	f.near, f.far, f.reached = near, far, far.RemoteAddr().String()
}

// passes counts requests: one begins with the first byte to the target, and with the first after one from the target.
func (f *flow) passes(d direction) {
	switch {
	case d == fromTarget:
		if !f.answered.Load() { // a load is shared by both directions, a store is not
			f.answered.Store(true)
		}
	case f.requests.Load() == 0 || f.answered.Load():
		f.answered.Store(false)
		f.requests.Add(1)
	}
}

// charge charges faults with n bytes of this connection in a direction, and with the connection itself at the first time.
func (f *flow) charge(by []*activeFault, d direction, n int) {
	if len(by) == 0 {
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
