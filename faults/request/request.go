// Package request holds the common parts of faults on single requests, for every protocol: when the faults are in
// force, which requests they take, what they affected, and the connections with an answer that will not come. A
// protocol's layer reads the requests.
package request

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wringer/faults"
)

// ErrCut ends a connection with a reset.
var ErrCut = errors.New("cut")

// Ends are the two ends of a connection that a layer carries. They are safe for concurrent use.
type Ends struct {
	Client, Target net.Conn

	once   sync.Once
	ended  chan struct{}
	halves atomic.Int32 // directions that have ended in order
}

// NewEnds returns the two ends of a connection.
func NewEnds(client, target net.Conn) *Ends {
	return &Ends{Client: client, Target: target, ended: make(chan struct{})}
}

// End closes both ends: in order if err is nil or io.EOF, otherwise with a reset. Only the first call counts.
func (e *Ends) End(why error) {
	e.once.Do(func() {
		close(e.ended)
		for _, side := range []net.Conn{e.Client, e.Target} {
			if tcp, ok := side.(interface{ SetLinger(sec int) error }); ok && why != nil && !errors.Is(why, io.EOF) {
				_ = tcp.SetLinger(0)
			}
			side.Close()
		}
	})
}

// Finish ends the direction towards side. After an end in order (why is nil or io.EOF itself) side is told that nothing more
// comes, and the other direction goes on; both ends are closed once both directions have ended so, or the client has closed its own. Any other error ends the
// connection as End does, and so does a side that cannot be told alone.
func (e *Ends) Finish(side net.Conn, why error) {
	if (why == nil || why == io.EOF) && (side == e.Client || !left(e.Client)) && e.halves.Add(1) < 2 {
		if half, ok := side.(interface{ CloseWrite() error }); ok && !errors.Is(half.CloseWrite(), errors.ErrUnsupported) {
			return
		}
	}
	e.End(why)
}

// left reports whether a client is known to have closed its end, and not only its writing side.
func left(client net.Conn) bool {
	c, ok := client.(interface{ Left() bool })
	return ok && c.Left()
}

// Ended is closed once the connection has ended.
func (e *Ends) Ended() <-chan struct{} { return e.ended }

// Force is the time in force of a fault on matching requests, from Begin to End. Its methods are safe for concurrent
// use. They do not block unless they say so.
type Force struct {
	// First is the number of matching requests that are taken; 0: the share of them, drawn from the seed.
	First int
	Share faults.Share
	Seed  uint64

	seen                        atomic.Uint64 // matching requests since Begin
	matched, connections, bytes atomic.Int64

	mu     sync.Mutex
	over   chan struct{}      // closed at End; nil while out of force
	silent map[*Ends]struct{} // connections with an answer that will not come
}

// Begin puts the fault into force. If it was out of force, Begin calls join before any request can meet the fault. If
// join fails, the fault stays out of force.
func (f *Force) Begin(join func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over != nil {
		return nil
	}
	f.seen.Store(0)
	f.over, f.silent = make(chan struct{}), make(map[*Ends]struct{})
	if err := join(); err != nil {
		f.over, f.silent = nil, nil
		return err
	}
	return nil
}

// End takes the fault out of force. If it was in force, End calls leave, which must keep further requests from
// meeting it. Waiting requests go on. Connections with an answer that will not come are reset.
func (f *Force) End(leave func()) {
	f.mu.Lock()
	if f.over == nil {
		f.mu.Unlock()
		return
	}
	leave()
	close(f.over)
	silent := slices.Collect(maps.Keys(f.silent))
	f.over, f.silent = nil, nil
	f.mu.Unlock()
	for _, e := range silent {
		e.End(ErrCut)
	}
}

// Takes decides whether the fault acts on the next matching request.
func (f *Force) Takes() bool {
	n := f.seen.Add(1)
	if f.First > 0 {
		return n <= uint64(f.First)
	}
	return f.Share.Draws(f.Seed, n)
}

// Meets counts a request of n bytes that the fault acted on. first: it is the first of its connection.
func (f *Force) Meets(first bool, bytes int) {
	if first {
		f.connections.Add(1)
	}
	f.bytes.Add(int64(bytes))
	f.matched.Add(1)
}

// Matched is the number of requests that the fault acted on.
func (f *Force) Matched() int64 { return f.matched.Load() }

// Bite reports the requests that the fault acted on, with their connections and bytes.
func (f *Force) Bite() faults.Bite {
	return faults.Bite{Bit: f.matched.Load() > 0, Connections: f.connections.Load(), Bytes: f.bytes.Load()}
}

// InForce reports whether the fault is in force.
func (f *Force) InForce() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.over != nil
}

// Delays reports whether something that comes on a connection now waits for the fault until due: the fault is in force, the
// connection has not ended, and due is to come.
func (f *Force) Delays(e *Ends, due time.Time) bool {
	select {
	case <-e.ended:
		return false
	default:
		return f.InForce() && time.Now().Before(due)
	}
}

// Wait blocks until a time, until the fault is out of force, or until the connection has ended.
func (f *Force) Wait(e *Ends, due time.Time) { f.WaitOr(e, due, nil) }

// WaitOr is Wait that also ends when early is closed.
func (f *Force) WaitOr(e *Ends, due time.Time, early <-chan struct{}) {
	f.mu.Lock()
	over := f.over
	f.mu.Unlock()
	if over == nil {
		return
	}
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-e.ended:
	case <-early:
	}
}

// Silences registers a connection for the reset at the end. If the fault is already out of force, the connection is
// reset at once.
func (f *Force) Silences(e *Ends) {
	f.mu.Lock()
	late := f.over == nil
	if !late {
		f.silent[e] = struct{}{}
	}
	f.mu.Unlock()
	if late {
		e.End(ErrCut)
	}
}

// Silent is the number of connections registered for the reset at the end.
func (f *Force) Silent() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.silent)
}

// Releases removes a connection that has ended.
func (f *Force) Releases(e *Ends) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.silent, e)
}

// List holds the faults in force on a link. Reading it takes no lock. The zero value is empty.
type List[F comparable] struct {
	mu  sync.Mutex // held to change the list
	all atomic.Pointer[[]F]
}

// All returns the faults in force, oldest first. The caller must not change the slice.
func (l *List[F]) All() []F {
	if all := l.all.Load(); all != nil {
		return *all
	}
	return nil
}

// Add appends a fault.
func (l *List[F]) Add(fault F) {
	l.change(func(all []F) []F { return append(all, fault) })
}

// Remove removes a fault.
func (l *List[F]) Remove(fault F) {
	l.change(func(all []F) []F { return slices.DeleteFunc(all, func(other F) bool { return other == fault }) })
}

func (l *List[F]) change(change func([]F) []F) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := change(slices.Clone(l.All()))
	l.all.Store(&all)
}

// Echo sends question through carry to a target that replies once it has received as many bytes. It returns the bytes
// that came back. It blocks until then or until ctx ends.
func Echo(ctx context.Context, carry func(client, target net.Conn), question []byte, reply func(got []byte) []byte) ([]byte, error) {
	client, near := net.Pipe()
	far, mirror := net.Pipe()
	var all sync.WaitGroup
	all.Go(func() { carry(near, far) })
	defer all.Wait()
	all.Go(func() {
		defer mirror.Close()
		got := make([]byte, len(question))
		if _, err := io.ReadFull(mirror, got); err == nil {
			_, _ = mirror.Write(reply(got))
		}
	})
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	if _, err := client.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, len(reply(question)))
	_, err := io.ReadFull(client, answer)
	return answer, err
}
