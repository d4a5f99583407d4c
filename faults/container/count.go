package container

import (
	"sync"
	"time"

	"wringer/faults/procfs"
)

// Met implements faults.Part. It counts connections that were open when the container was taken down, and dials refused since. It
// also counts connections that waited while it was frozen or could open no file, and the times that its processors were held back.
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

// look looks once more.
func (n *count) look() {
	n.mu.Lock()
	look := n.looks
	n.mu.Unlock()
	if look == nil {
		return
	}
	seen := look()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = max(n.seen, seen)
}

// stop ends the count of a fault. It is idempotent.
func (n *count) stop() {
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
	met := n.here + n.seen
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

// outward are the TCP sockets of a container that lead out of it, by its first process's network namespace. There are none where
// the container runs on another machine: there the pid is not ours.
func outward(id string, pid int) (all []procfs.Socket) {
	if !runsHere(id, pid) {
		return nil
	}
	for _, s := range procfs.Sockets(pid) {
		if s.State == procfs.Listen || !s.Remote.Addr().IsLoopback() {
			all = append(all, s)
		}
	}
	return all
}

// open counts the connections that are open in a container.
func open(id string, pid int) (n int) {
	for _, s := range outward(id, pid) {
		if s.State == procfs.Established {
			n++
		}
	}
	return n
}

// waiting are the connections on which something waited while a container was frozen.
type waiting struct {
	id   string
	pid  int
	mu   sync.Mutex
	seen map[procfs.Socket]bool
}

func newWaiting(id string, pid int) *waiting {
	return &waiting{id: id, pid: pid, seen: make(map[procfs.Socket]bool)}
}

// mostWaiting bounds the connections that are told apart.
const mostWaiting = 1 << 16

// look counts the connections with unread bytes so far, and those that nobody accepted.
func (w *waiting) look() int64 {
	now := outward(w.id, w.pid)
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
func unaccepted(id string, pid int) (n int64) {
	for _, s := range outward(id, pid) {
		if s.State == procfs.Listen {
			n += int64(s.Unread)
		}
	}
	return n
}

// Connections counts the connections that are open in the container, whose first process is pid.
func (c *Container) Connections(pid int) int { return open(c.spec.ID, pid) }

// Refusals counts the known dials to the container's ports that have failed so far. Safe for concurrent use.
func (c *Container) Refusals() (n int64) {
	for _, port := range c.spec.Ports {
		n += c.count.refusedAt(port)
	}
	return n
}
