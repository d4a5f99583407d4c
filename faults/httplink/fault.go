package httplink

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"wringer/faults"
)

// Fault acts on the requests that match, between Inject and Heal.
type Fault struct {
	act   Act
	name  string
	layer *layer
	seed  uint64

	seen                        atomic.Uint64 // matching requests since Inject
	matched, connections, bytes atomic.Int64

	mu     sync.Mutex
	healed chan struct{}      // closed at Heal; nil while out of force
	silent map[*conn]struct{} // connections with an answer that will not come
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.healed != nil {
		return nil
	}
	f.healed, f.silent = make(chan struct{}), make(map[*conn]struct{})
	f.seen.Store(0)
	f.layer.change(func(all []*Fault) []*Fault { return append(all, f) })
	return nil
}

// Heal implements faults.Fault. What was delayed goes out, and connections with an answer that will not come are reset.
func (f *Fault) Heal(context.Context) error {
	f.mu.Lock()
	if f.healed == nil {
		f.mu.Unlock()
		return nil
	}
	f.layer.change(func(all []*Fault) []*Fault {
		return slices.DeleteFunc(all, func(other *Fault) bool { return other == f })
	})
	close(f.healed)
	silent := slices.Collect(maps.Keys(f.silent))
	f.healed, f.silent = nil, nil
	f.mu.Unlock()
	for _, c := range silent {
		c.end(errCut)
	}
	return nil
}

// Bite implements faults.Fault. It counts the requests that the fault acted on by their connections, and the bytes of
// their headers.
func (f *Fault) Bite() faults.Bite {
	return faults.Bite{Bit: f.matched.Load() > 0, Connections: f.connections.Load(), Bytes: f.bytes.Load()}
}

// takes decides whether the fault acts on the next request that matches.
func (f *Fault) takes() bool {
	n := f.seen.Add(1)
	if f.act.First > 0 {
		return n <= uint64(f.act.First)
	}
	return f.act.Share.Draws(f.seed, n)
}

// until is closed when the fault is healed; nil when it was.
func (f *Fault) until() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.healed
}

// silences keeps a connection for the reset at healing; one that was just missed is reset at once.
func (f *Fault) silences(c *conn) {
	f.mu.Lock()
	late := f.healed == nil
	if !late {
		f.silent[c] = struct{}{}
	}
	f.mu.Unlock()
	if late {
		c.end(errCut)
	}
}

// releases forgets a connection that has ended.
func (f *Fault) releases(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.silent, c)
}

// Probe implements faults.Fault. It sends a request through the layer to an answer of its own; while another fault is in
// force on the link no more can be seen than that this one is not.
func (f *Fault) Probe(ctx context.Context) error {
	others := f.layer.active()
	if slices.Contains(others, f) {
		return fmt.Errorf("probe link %s: %s is still in force", f.layer.link, f.name)
	}
	if len(others) > 0 {
		return nil
	}
	if err := f.layer.ask(ctx); err != nil {
		return fmt.Errorf("probe link %s: %w", f.layer.link, err)
	}
	return nil
}

const (
	question = "GET / HTTP/1.1\r\nHost: probe\r\n\r\n"
	reply    = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// ask sends a question through the layer, and wants the reply.
func (l *layer) ask(ctx context.Context) error {
	client, near := net.Pipe()
	far, mirror := net.Pipe()
	var all sync.WaitGroup
	all.Go(func() { l.Carry(near, far, "") })
	defer all.Wait()
	all.Go(func() {
		defer mirror.Close()
		if _, err := io.ReadFull(mirror, make([]byte, len(question))); err == nil {
			_, _ = io.WriteString(mirror, reply)
		}
	})
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	if _, err := io.WriteString(client, question); err != nil {
		return err
	}
	got := make([]byte, len(reply))
	if _, err := io.ReadFull(client, got); err != nil {
		return err
	}
	if string(got) != reply {
		return fmt.Errorf("got %q back, want %q", got, reply)
	}
	return nil
}
