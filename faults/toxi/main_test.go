package toxi

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers/drivertest/tier"
	"wringer/faults"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

// upstream is a target that serves each connection by a function and counts the connections.
type upstream struct {
	net.Listener
	mu       sync.Mutex
	accepted int
	open     map[net.Conn]bool
	serving  sync.WaitGroup
}

func serve(t testing.TB, handle func(net.Conn)) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{Listener: l, open: map[net.Conn]bool{}}
	u.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			u.mu.Lock()
			u.accepted++
			u.open[c] = true
			u.mu.Unlock()
			u.serving.Go(func() {
				handle(c)
				c.Close()
				u.mu.Lock()
				defer u.mu.Unlock()
				delete(u.open, c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		u.mu.Lock()
		for c := range u.open {
			c.Close()
		}
		u.mu.Unlock()
		u.serving.Wait()
	})
	return u
}

func (u *upstream) address() string { return u.Addr().String() }

func (u *upstream) connections() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.accepted
}

func echo(c net.Conn) { _, _ = io.Copy(c, c) }

func newLink(t testing.TB) *Link {
	t.Helper()
	m, err := NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	l, err := m.Link("orders")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*Link)
}

func openFault(t testing.TB, l *Link, c Config) *Fault {
	t.Helper()
	c.Link = l.name
	c.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	f, err := c.Open(faults.Env{Seed: 7, For: time.Second, Files: "testdata", Link: func(string) (faults.Link, error) { return l, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return f.(*Fault)
}

func inject(t testing.TB, l *Link, c Config) *Fault {
	t.Helper()
	f := openFault(t, l, c)
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func heal(t testing.TB, f *Fault) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := errors.Join(f.Heal(ctx), f.Probe(ctx)); err != nil {
		t.Fatal(err)
	}
}

func dial(t testing.TB, l *Link, address string) net.Conn {
	t.Helper()
	c, err := l.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	// The bound keeps a failing test from hanging.
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// say writes data and reads as many bytes back.
func say(c net.Conn, what string) error {
	if _, err := io.WriteString(c, what); err != nil {
		return err
	}
	return hear(c, what)
}

func hear(c net.Conn, what string) error {
	back := make([]byte, len(what))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if string(back) != what {
		return errors.New("got " + string(back) + ", want " + what)
	}
	return nil
}

// until waits for a condition.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick, bound := time.NewTicker(time.Millisecond), time.NewTimer(30*time.Second)
	defer tick.Stop()
	defer bound.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-bound.C:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// empty waits until no connection is left on the link, or ctx ends.
func (l *Link) empty(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for l.count() > 0 {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (l *Link) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.flows)
}
