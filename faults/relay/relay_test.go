package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/faults"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "0123456789abcdef0123456789abcdef"

// rig is a relay and a process's connection to it, both on this machine's loopback.
type rig struct {
	*Relay
	at   string // the relay's control address
	stop context.CancelFunc
}

func newRig(t *testing.T) *rig {
	t.Helper()
	at, stop := serve(t)
	return &rig{dialRelay(t, at), at, stop}
}

func serve(t *testing.T) (at string, stop context.CancelFunc) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, token) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String(), cancel
}

func dialRelay(t *testing.T, at string) *Relay {
	t.Helper()
	r, err := Dial(t.Context(), faults.Network{}.Dial, at, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// pair is a connection over the relay: the end of who connected to it, and the process's.
func (r *rig) pair(t *testing.T) (outer *net.TCPConn, inner *conn) {
	t.Helper()
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return connect(t, l)
}

func connect(t *testing.T, l net.Listener) (outer *net.TCPConn, inner *conn) {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); accepted.Close() })
	return c.(*net.TCPConn), accepted.(*conn)
}

func TestBytesPassInBothDirections(t *testing.T) {
	outer, inner := newRig(t).pair(t)
	if inner.RemoteAddr().String() != outer.LocalAddr().String() {
		t.Errorf("the remote address is %v, want %v", inner.RemoteAddr(), outer.LocalAddr())
	}
	if inner.LocalAddr().String() != outer.RemoteAddr().String() {
		t.Errorf("the local address is %v, want %v", inner.LocalAddr(), outer.RemoteAddr())
	}
	// More than all windows on the way.
	sent := make([]byte, 5<<20)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	for _, way := range [][2]end{{outer, inner}, {inner, outer}} {
		var got []byte
		var err error
		var reading sync.WaitGroup
		reading.Go(func() { got, err = io.ReadAll(way[1]) })
		if _, err := way[0].Write(sent); err != nil {
			t.Fatal(err)
		}
		if err := way[0].CloseWrite(); err != nil {
			t.Fatal(err)
		}
		reading.Wait()
		if err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%d of %d bytes came, %v", len(got), len(sent), err)
		}
	}
}

func TestADirectionEndsAlone(t *testing.T) {
	for name, first := range map[string]func(outer, inner end) (end, end){
		"who connected": func(outer, inner end) (end, end) { return outer, inner },
		"the process":   func(outer, inner end) (end, end) { return inner, outer },
	} {
		t.Run(name, func(t *testing.T) {
			o, i := newRig(t).pair(t)
			a, b := first(o, i)
			if err := a.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(b); len(got) > 0 || err != nil {
				t.Fatalf("read %q, %v; want an end in order", got, err)
			}
			if _, err := b.Write([]byte("still")); err != nil {
				t.Fatal(err)
			}
			if err := b.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(a); string(got) != "still" || err != nil {
				t.Fatalf("read %q, %v", got, err)
			}
		})
	}
}

func TestAResetIsAReset(t *testing.T) {
	for name, first := range map[string]func(outer, inner end) (end, end){
		"by who connected": func(outer, inner end) (end, end) { return outer, inner },
		"by the process":   func(outer, inner end) (end, end) { return inner, outer },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for n := range 100 {
				o, i := r.pair(t)
				a, b := first(o, i)
				if n%2 == 1 { // the end of the other half has passed
					if err := b.CloseWrite(); err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadAll(a); err != nil {
						t.Fatal(err)
					}
				}
				if err := a.SetLinger(0); err != nil {
					t.Fatal(err)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(b); len(got) > 0 || !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("read %q, %v; want a reset", got, err)
				}
				if _, err := b.Write([]byte("x")); n%2 == 0 && err == nil {
					t.Fatal("a write succeeds after the reset")
				}
			}
		})
	}
}

// A connection that one side has closed while the other one still sends is reset, as over TCP.
func TestBytesAfterACloseAreAnsweredWithAReset(t *testing.T) {
	outer, inner := newRig(t).pair(t)
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(outer); err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := outer.Write([]byte("more")); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func TestDeadlinesWakeBlockedCalls(t *testing.T) {
	_, inner := newRig(t).pair(t)
	if err := inner.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := inner.Read(make([]byte, 1)); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("read: %v; want a timeout", err)
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for { // until every window is full
			if _, err := inner.Write(make([]byte, 64<<10)); err != nil {
				if !errors.As(err, &timeout) || !timeout.Timeout() {
					t.Errorf("write: %v; want a timeout", err)
				}
				return
			}
		}
	})
	if err := inner.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	writing.Wait()
}

func TestCloseWakesARead(t *testing.T) {
	_, inner := newRig(t).pair(t)
	read := make(chan error)
	go func() {
		_, err := inner.Read(make([]byte, 1))
		read <- err
	}()
	inner.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

// Where the way to the relay breaks, links die, and say so.
func TestABrokenWayIsTold(t *testing.T) {
	r := newRig(t)
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	outer, inner := connect(t, l)
	if err := r.Broken(); err != nil {
		t.Fatal(err)
	}
	r.stop()
	if _, err := l.Accept(); err == nil || !strings.Contains(err.Error(), "broke") || errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	for name, c := range map[string]end{"who connected": outer, "the process": inner} {
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%s reads %v; want a reset", name, err)
		}
	}
	if err := r.Broken(); err == nil || !strings.Contains(err.Error(), r.at) {
		t.Errorf("broken: %v", err)
	}
	for { // until the relay listens no more
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return
		}
		c.Close()
	}
}

// A process that comes later, such as the next run on a kept target, takes over.
func TestALaterProcessTakesOver(t *testing.T) {
	r := newRig(t)
	outer, _ := r.pair(t)
	at := outer.RemoteAddr().String()
	next := dialRelay(t, r.at)
	if _, err := io.ReadAll(outer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("a connection of before reads %v; want a reset", err)
	}
	l, err := next.Listen(t.Context(), at) // the address is free again
	if err != nil {
		t.Fatal(err)
	}
	connect(t, l)
	if err := r.Broken(); err == nil {
		t.Error("the first process does not learn that it was replaced")
	}
}

func TestAWrongTokenIsRefused(t *testing.T) {
	at, _ := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, faults.Network{}.Dial, at, strings.Replace(token, "0", "1", 1)); err == nil {
		t.Fatal("it was welcome")
	}
	if err := Serve(t.Context(), nil, "short"); err == nil {
		t.Error("a short token was taken")
	}
}

func TestAnAddressInUseIsTold(t *testing.T) {
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := r.Listen(t.Context(), taken.Addr().String()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("listen: %v", err)
	}
}

func TestAClosedListenerResetsWhoWaits(t *testing.T) {
	r := newRig(t)
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	outer, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	l.Close()
	if _, err := io.ReadAll(outer); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("read %v; want a reset", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept: %v", err)
	}
}

// Connections that reset at once must not be taken for such that wait.
func TestEarlyResets(t *testing.T) {
	r := newRig(t)
	l, err := r.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	const many = 200
	var all sync.WaitGroup
	for range many {
		all.Go(func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = c.Write([]byte("x"))
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		})
	}
	all.Wait()
	// A kernel may drop such a connection before it is accepted: the last one says when all have come.
	last, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer last.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.RemoteAddr().String() == last.LocalAddr().String() {
			return
		}
		if _, err := io.ReadAll(c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %v; want a reset", err)
		}
	}
}
