package toxi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"wringer/faults"
	"wringer/faults/faulttest"
)

func TestConformance(t *testing.T) {
	for _, c := range []Config{
		{Latency: steady(30 * time.Millisecond), Jitter: 30 * time.Millisecond},
		{Latency: steady(10 * time.Millisecond), Direction: Both},
		{Bandwidth: 20_000},
		{Bandwidth: 20_000, Direction: ToTarget},
		{Partition: Both},
		{Partition: ToTarget, Mode: Hold},
		{Partition: FromTarget},
		{Partition: FromTarget, Mode: Hold},
		{Refuse: true},
		{Latency: steady(10 * time.Millisecond), Bandwidth: 20_000, Partition: FromTarget, Refuse: true},
		{Latency: Latency{To: 30 * time.Millisecond}, Direction: Both},
		{Latency: steady(20 * time.Millisecond), Jitter: 5 * time.Millisecond, Distribution: Normal},
		{ConnectDelay: 20 * time.Millisecond},
		{Loss: 0.5, Direction: Both},
		{Slice: &Slice{Size: 10, Vary: 5, Gap: time.Millisecond}},
		{SlowClose: 10 * time.Millisecond, Direction: ToTarget},
		{CloseAfter: &Limit{Bytes: 10}},
		{CloseAfter: &Limit{Bytes: 10}, CloseWith: WithReset, Direction: ToTarget},
		{CloseAfter: &Limit{Time: time.Millisecond}},
		{HalfOpen: Accepting},
		{Reset: true},
		{Refuse: true, Connections: 0.5},
		{Partition: Both, Requests: 0.5},
		{Partition: FromTarget, Flap: &Flap{Every: 20 * time.Millisecond, Duty: 0.7}},
	} {
		t.Run(c.words(), func(t *testing.T) {
			t.Parallel()
			faulttest.Run(t, func(t *testing.T) faulttest.Rig {
				u, l := serve(t, echo), newLink(t)
				return faulttest.Rig{
					Config: &c, Fault: openFault(t, l, c),
					Meet: func(ctx context.Context) error {
						conn, err := l.Dial(ctx, "tcp", u.address())
						if err != nil {
							return err
						}
						defer l.empty(ctx) // otherwise later faults would count its end
						defer conn.Close()
						defer context.AfterFunc(ctx, func() { conn.Close() })()
						return say(conn, "a word that is long enough to take more than a moment on a slow line")
					},
				}
			})
		})
	}
}

func TestCarriesAndClosesAsADirectConnection(t *testing.T) {
	t.Run("one connection each", func(t *testing.T) {
		u, l := serve(t, echo), newLink(t)
		for range 3 {
			if err := say(dial(t, l, u.address()), "hello"); err != nil {
				t.Fatal(err)
			}
		}
		if n := u.connections(); n != 3 {
			t.Errorf("the target saw %d connections for 3", n)
		}
	})
	t.Run("an answer without end of request", func(t *testing.T) {
		u, l := serve(t, func(c net.Conn) { _, _ = io.WriteString(c, "bye") }), newLink(t)
		got, err := io.ReadAll(dial(t, l, u.address()))
		if string(got) != "bye" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	})
	t.Run("the target keeps listening after its last word", func(t *testing.T) {
		heard := make(chan string, 1)
		u, l := serve(t, func(c net.Conn) {
			_ = c.(*net.TCPConn).CloseWrite()
			got, _ := io.ReadAll(c)
			heard <- string(got)
		}), newLink(t)
		c := dial(t, l, u.address())
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
		_, _ = io.WriteString(c, "late")
		c.Close()
		if got := <-heard; got != "late" {
			t.Errorf("the target heard %q", got)
		}
	})
	t.Run("a reset by the target", func(t *testing.T) {
		u, l := serve(t, func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 5))
			_ = c.(*net.TCPConn).SetLinger(0)
		}), newLink(t)
		if err := say(dial(t, l, u.address()), "hello"); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the client saw %v, not a reset", err)
		}
	})
	t.Run("the end of the client", func(t *testing.T) {
		end := make(chan error, 1)
		u, l := serve(t, func(c net.Conn) {
			_, err := io.ReadAll(c)
			end <- err
		}), newLink(t)
		c := dial(t, l, u.address())
		_, _ = io.WriteString(c, "hello")
		c.Close()
		if err := <-end; err != nil {
			t.Errorf("the target saw %v", err)
		}
	})
}

func TestDialFailsAsWithoutALink(t *testing.T) {
	l := newLink(t)
	u := serve(t, echo)
	u.Close()
	_, err := l.Dial(t.Context(), "tcp", u.address())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dead target: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Dial(ctx, "tcp", u.address()); !errors.Is(err, context.Canceled) && !isCanceled(err) {
		t.Errorf("a dial that was cancelled: %v", err)
	}
	if _, err := l.Dial(t.Context(), "tcp", "no-port"); err == nil {
		t.Error("an address without a port was dialled")
	}
}

// isCanceled: package net has an error of its own for a cancelled context.
func isCanceled(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Err.Error() == "operation was canceled"
}

func TestRefuse(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	old := dial(t, l, u.address())
	if err := say(old, "hello"); err != nil {
		t.Fatal(err)
	}
	f := inject(t, l, Config{Refuse: true})
	if err := say(old, "hello"); err == nil {
		t.Error("an existing connection still serves")
	}
	if _, err := l.Dial(t.Context(), "tcp", u.address()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dial: %v", err)
	}
	if b := f.Bite(); b.Connections != 2 || b.Bytes != 0 {
		t.Errorf("bite %+v, want the old connection and the new one", b)
	}
	heal(t, f)
	if err := say(dial(t, l, u.address()), "hello"); err != nil {
		t.Error(err)
	}
	if n := u.connections(); n != 2 {
		t.Errorf("the target saw %d connections, want 2: neither the refused one nor the probe", n)
	}
}

func TestPartitionHolds(t *testing.T) {
	for _, given := range []Ways{Both, ToTarget, FromTarget} {
		t.Run(string(given), func(t *testing.T) {
			heard := make(chan []byte, 10)
			u := serve(t, func(c net.Conn) { _, _ = io.Copy(io.MultiWriter(c, reporter(heard)), c) })
			l := newLink(t)
			c := dial(t, l, u.address())
			if err := say(c, "before"); err != nil {
				t.Fatal(err)
			}
			<-heard
			f := inject(t, l, Config{Partition: given, Mode: Hold})
			_, _ = io.WriteString(c, "during")
			until(t, "it bit", func() bool { return f.Bite().Bit })
			if given == FromTarget {
				if got := <-heard; string(got) != "during" {
					t.Errorf("the target heard %q", got)
				}
			}
			_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if err := hear(c, "during"); err == nil {
				t.Error("an answer came through the partition")
			}
			if given != FromTarget && len(heard) > 0 {
				t.Error("a request came through the partition")
			}
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
			heal(t, f)
			if err := errors.Join(hear(c, "during"), say(c, "after")); err != nil {
				t.Errorf("after healing: %v", err)
			}
			if b := f.Bite(); b.Connections != 1 || b.Bytes != int64(len("during")) {
				t.Errorf("bite %+v, want one connection and %d bytes", b, len("during"))
			}
		})
	}
}

// reporter sends each write to a channel.
type reporter chan []byte

func (r reporter) Write(p []byte) (int, error) {
	r <- bytes.Clone(p)
	return len(p), nil
}

func TestPartitionDrops(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	idle, busy := dial(t, l, u.address()), dial(t, l, u.address())
	for _, c := range []net.Conn{idle, busy} {
		if err := say(c, "before"); err != nil {
			t.Fatal(err)
		}
	}
	f := inject(t, l, Config{Partition: FromTarget})
	_, _ = io.WriteString(busy, "during")
	until(t, "it bit", func() bool { return f.Bite().Bytes == int64(len("during")) })

	// Requests of new connections arrive too.
	fresh := dial(t, l, u.address())
	_, _ = io.WriteString(fresh, "new")
	until(t, "the answer to a new connection was dropped", func() bool { return f.Bite().Connections == 2 })

	heal(t, f)
	for _, c := range []net.Conn{busy, fresh} {
		// A connection that lost bytes may not deliver later ones.
		if got, err := io.ReadAll(c); len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection with a hole gave %q, %v", got, err)
		}
	}
	if err := say(idle, "after"); err != nil {
		t.Errorf("a connection that lost nothing: %v", err)
	}
}

// TestALeavingClientDoesNotMeetAPartitionFromTheTarget: then the link itself closes the target's side.
func TestALeavingClientDoesNotMeetAPartitionFromTheTarget(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{Partition: FromTarget})
	for range 50 {
		dial(t, l, u.address()).Close()
	}
	l.empty(t.Context())
	heal(t, f)
	if b := f.Bite(); b.Bit {
		t.Errorf("bite %+v", b)
	}
}

func TestPartitionHoldsDials(t *testing.T) {
	for _, given := range []Ways{Both, ToTarget} {
		t.Run(string(given), func(t *testing.T) {
			u, l := serve(t, echo), newLink(t)
			f := inject(t, l, Config{Partition: given})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			_, err := l.Dial(ctx, "tcp", u.address())
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("a dial through the partition: %v, want a timeout", err)
			}
			if u.connections() != 0 {
				t.Error("it reached the target")
			}
			held := make(chan error, 1)
			go func() {
				c, err := l.Dial(t.Context(), "tcp", u.address())
				if err == nil {
					err = say(c, "hello")
					c.Close()
				}
				held <- err
			}()
			until(t, "the dial is held", func() bool { return f.Bite().Connections == 2 })
			heal(t, f)
			if err := <-held; err != nil {
				t.Errorf("a dial held until healing: %v", err)
			}
		})
	}
}

// TestOverlap: faults on one link add up, and healing one leaves the others.
func TestOverlap(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	c := dial(t, l, u.address())
	to := inject(t, l, Config{Partition: ToTarget, Mode: Hold})
	from := inject(t, l, Config{Partition: FromTarget, Mode: Hold})
	_, _ = io.WriteString(c, "hello")
	until(t, "the first bit", func() bool { return to.Bite().Bytes == 5 })
	if from.Bite().Bit {
		t.Error("the second bit on what the first held")
	}
	heal(t, to)
	until(t, "the second bit", func() bool { return from.Bite().Bytes == 5 })
	heal(t, from)
	if err := hear(c, "hello"); err != nil {
		t.Error(err)
	}
}

func TestHealingFreesWhatALatencyDelays(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	c := dial(t, l, u.address())
	f := inject(t, l, Config{Latency: steady(time.Hour)})
	_, _ = io.WriteString(c, "hello")
	until(t, "it bit", func() bool { return f.Bite().Bytes == 5 })
	heal(t, f)
	if err := errors.Join(hear(c, "hello"), say(c, "again")); err != nil {
		t.Error(err)
	}
}

func TestHealingFreesWhatABandwidthDelays(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	c := dial(t, l, u.address())
	body := string(bytes.Repeat([]byte("0123456789"), 10_000))
	f := inject(t, l, Config{Bandwidth: 1})
	go func() { _, _ = io.WriteString(c, body) }()
	until(t, "it bit", func() bool { return f.Bite().Bit })
	heal(t, f)
	if err := hear(c, body); err != nil {
		t.Error("the body came back changed")
	}
}

func TestABandwidthThatNothingReachesDoesNotBite(t *testing.T) {
	u, l := serve(t, echo), newLink(t)
	f := inject(t, l, Config{Bandwidth: 1 << 30})
	if err := say(dial(t, l, u.address()), "hello"); err != nil {
		t.Fatal(err)
	}
	if b := f.Bite(); b.Bit {
		t.Errorf("bite %+v", b)
	}
	heal(t, f)
}

func TestClose(t *testing.T) {
	m, err := NewMesh(faults.Network{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	u := serve(t, echo)
	opened, _ := m.Link("orders")
	same, _ := m.Link("orders")
	l := opened.(*Link)
	if same != opened || l.Name() != "orders" {
		t.Error("the second call opened another link")
	}
	c := dial(t, l, u.address())
	f := inject(t, l, Config{Partition: Both})
	held := make(chan error, 1)
	go func() {
		_, err := l.Dial(t.Context(), "tcp", u.address())
		held <- err
	}()
	until(t, "the dial is held", func() bool { return f.Bite().Bit })
	for range 2 {
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := <-held; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a held dial: %v", err)
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its mesh")
	}
	if _, err := m.Link("late"); err == nil {
		t.Error("a closed mesh opened a link")
	}
	if err := f.Heal(t.Context()); err != nil {
		t.Errorf("heal on a closed link: %v", err)
	}
	if err := f.Probe(t.Context()); err == nil {
		t.Error("the probe finds a closed link whole")
	}
	if err := f.Inject(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("inject on a closed link: %v", err)
	}
}
