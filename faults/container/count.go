package container

import (
	"context"
	"sync"
	"time"

	"wringer/faults/procfs"
)

// Met implements faults.Part. It counts connections that were open when the container was taken down, and dials refused since. It
// counts what other containers sent to it while it was down. It also counts connections that waited while it was frozen or could open no file, and the times that its processors were held back.
func (c *Container) Met() int64 { return c.count.met() }

// count counts what met a container while a fault was on it. It is safe for concurrent use.
type count struct {
	ports    []string
	refusals func(port string) int64 // of dials; nil: no dials are known

	mu      sync.Mutex
	before  int64            // of faults that are over
	here    int64            // of this one, beside what is looked at
	seen    int64            // what the last look gave
	refused map[string]int64 // by port, when this one began; nil: there is none
	looks   func() int64
	calls   *Calls        // of other containers while this one is down; nil: none are counted
	called  int64         // what the last look at them gave
	ends    chan struct{} // closed when nothing is looked at any more
	looked  chan struct{} // closed when the last look is over
}

// lookEvery is the interval between two looks at what a fault meets.
const lookEvery = 200 * time.Millisecond

// start begins the count of a fault. look returns what it has met by now, of which the most counts; count.stop ends its calls.
func (n *count) start(look func() int64) {
	n.stop()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.refused = make(map[string]int64)
	for _, port := range n.ports {
		n.refused[port] = n.refusedAt(port)
	}
	ends, looked := make(chan struct{}), make(chan struct{})
	n.looks, n.ends, n.looked = look, ends, looked
	go func() {
		defer close(looked)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				n.look()
			case <-ends:
				return
			}
		}
	}()
}

// add counts what a fault met at once.
func (n *count) add(met int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here += int64(met)
}

// watch also counts the calls of other containers, until the container is started again or the count ends.
func (n *count) watch(calls *Calls) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.calls = calls
}

// back ends the count of calls: the container is about to start.
func (n *count) back() {
	n.mu.Lock()
	calls := n.calls
	n.calls = nil
	n.mu.Unlock()
	if calls == nil {
		return
	}
	called := calls.Close(context.Background())
	n.mu.Lock()
	defer n.mu.Unlock()
	n.here, n.called = n.here+called, 0
}

// look looks once more.
func (n *count) look() {
	n.mu.Lock()
	look, calls := n.looks, n.calls
	n.mu.Unlock()
	if look == nil {
		return
	}
	seen, called := look(), int64(0)
	if calls != nil {
		called = calls.Count(context.Background())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = max(n.seen, seen)
	if n.calls == calls { // else they are counted already
		n.called = called
	}
}

// stop ends the count of a fault. It is idempotent.
func (n *count) stop() {
	n.back()
	n.mu.Lock()
	ends, looked := n.ends, n.looked
	n.ends = nil
	if ends != nil {
		close(ends)
	}
	n.mu.Unlock()
	if looked != nil {
		<-looked
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.before += n.inForce()
	n.here, n.seen, n.refused, n.looks = 0, 0, nil, nil
}

// inForce counts what met the fault that is in force. n.mu is held.
func (n *count) inForce() int64 {
	met := n.here + n.seen + n.called
	for port, base := range n.refused {
		met += n.refusedAt(port) - base
	}
	return met
}

func (n *count) met() int64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.before + n.inForce()
}

func (n *count) refusedAt(port string) int64 {
	if n.refusals == nil {
		return 0
	}
	return n.refusals(port)
}

// outward are the TCP sockets of a process's network namespace that lead out of it.
func outward(pid int) (all []procfs.Socket) {
	for _, s := range procfs.Sockets(pid) {
		if s.State == procfs.Listen || !s.Remote.Addr().IsLoopback() {
			all = append(all, s)
		}
	}
	return all
}

// waiting are the connections on which something waited while a container was frozen.
type waiting struct {
	life Life
	mu   sync.Mutex
	seen map[procfs.Socket]bool
}

func newWaiting(life Life) *waiting {
	return &waiting{life: life, seen: make(map[procfs.Socket]bool)}
}

// mostWaiting bounds the connections that are told apart.
const mostWaiting = 1 << 16

// look counts the connections with unread bytes so far, and those that nobody accepted.
func (w *waiting) look() int64 {
	now := w.life.sockets(context.Background())
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range now {
		unaccepted := s.Inode == "0" && (s.State == procfs.Established || s.State == procfs.SynReceived || s.State == procfs.CloseWait)
		if (s.Waits() || unaccepted) && len(w.seen) < mostWaiting {
			w.seen[procfs.Socket{Local: s.Local, Remote: s.Remote}] = true
		}
	}
	return int64(len(w.seen))
}

// unaccepted counts the connections that no process of the container has accepted.
func (l Life) unaccepted(ctx context.Context) (n int64) {
	for _, s := range l.sockets(ctx) {
		if s.State == procfs.Listen {
			n += int64(s.Unread)
		}
	}
	return n
}

// Refusals counts the known dials to the container's ports that have failed so far. Safe for concurrent use.
func (c *Container) Refusals() (n int64) {
	for port := range c.spec.Ports {
		n += c.count.refusedAt(port)
	}
	return n
}
