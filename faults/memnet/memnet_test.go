package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/nettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connected returns the two ends of a connection over a network of its own.
func connected(t *testing.T) (near, far net.Conn) {
	t.Helper()
	var n Network
	l, err := n.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = n.Dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// The suite that package net's own connections pass.
func TestConn(t *testing.T) {
	nettest.TestConn(t, func() (near, far net.Conn, stop func(), err error) {
		near, far = connected(t)
		return near, far, func() { near.Close(); far.Close() }, nil
	})
}

func TestAddresses(t *testing.T) {
	var n Network
	l, err := n.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := n.Dial(t.Context(), "tcp", strings.Replace(l.Addr().String(), "127.0.0.1", "localhost", 1))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if c.RemoteAddr().String() != l.Addr().String() || far.RemoteAddr().String() != c.LocalAddr().String() || far.LocalAddr().String() != l.Addr().String() {
		t.Errorf("from %s to %s, accepted at %s from %s", c.LocalAddr(), c.RemoteAddr(), far.LocalAddr(), far.RemoteAddr())
	}
}

func TestListenErrors(t *testing.T) {
	var n Network
	all, err := n.Listen("tcp", ":8080")
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	for _, taken := range []string{":8080", "127.0.0.1:8080", "10.0.0.1:8080"} {
		if _, err := n.Listen("tcp", taken); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listen on %s: %v", taken, err)
		}
	}
	for _, wrong := range []string{"127.0.0.1", "127.0.0.1:http", "example.com:80", "127.0.0.1:70000"} {
		if _, err := n.Listen("tcp", wrong); err == nil {
			t.Errorf("listens on %s", wrong)
		}
	}
	if _, err := n.Listen("unix", "/tmp/x"); !errors.As(err, new(net.UnknownNetworkError)) {
		t.Errorf("listen on a unix socket: %v", err)
	}
	all.Close()
	again, err := n.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatalf("a port is not free again: %v", err)
	}
	again.Close()
	if err := again.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := again.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
}

func TestDialErrors(t *testing.T) {
	var n, other Network
	l, err := other.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := n.Dial(t.Context(), "tcp", "127.0.0.1:8080"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	if _, err := n.Dial(t.Context(), "tcp", "nowhere.example:80"); !errors.As(err, new(*net.DNSError)) {
		t.Errorf("no such host: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := other.Dial(gone, "tcp", "127.0.0.1:8080"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// A dial waits while the backlog is full, and what nobody accepts is reset when the listener closes.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n Network
		l, err := n.Listen("tcp", "127.0.0.1:8080")
		if err != nil {
			t.Fatal(err)
		}
		var first net.Conn
		for i := range backlog {
			c, err := n.Dial(t.Context(), "tcp", "127.0.0.1:8080")
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first = c
			}
		}
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		_, err = n.Dial(short, "tcp", "127.0.0.1:8080")
		if late := (net.Error)(nil); !errors.As(err, &late) || !late.Timeout() || time.Since(began) != time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		l.Close()
		if _, err := first.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that nobody accepted: %v", err)
		}
		if _, err := n.Dial(t.Context(), "tcp", "127.0.0.1:8080"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("after the close: %v", err)
		}
	})
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestHalfClose(t *testing.T) {
	near, far := connected(t)
	send(t, near, "question")
	if err := near.(*conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(far); string(all) != "question" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	send(t, far, "answer")
	far.Close()
	if all, err := io.ReadAll(near); string(all) != "answer" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
	if _, err := near.Write([]byte("more")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("write after CloseWrite: %v", err)
	}
}

func TestReset(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, near, far net.Conn){
		"linger 0":     func(_ *testing.T, near, _ net.Conn) { _ = near.(*conn).SetLinger(0) },
		"unread bytes": func(t *testing.T, _, far net.Conn) { send(t, far, "unread") },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := connected(t)
			send(t, near, "last words")
			end(t, near, far)
			near.Close()
			if all, err := io.ReadAll(far); string(all) != "last words" || !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("read %q, then %v", all, err)
			}
			if _, err := far.Write([]byte("x")); err == nil {
				t.Error("a write after a reset succeeds")
			}
		})
	}
}

// A peer that closed in order is found by the second write, as by the reset that answers the first.
func TestWriteToClosedPeer(t *testing.T) {
	near, far := connected(t)
	far.Close()
	if _, err := near.Write([]byte("x")); err != nil {
		t.Errorf("first write: %v", err)
	}
	if _, err := near.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("second write: %v", err)
	}
	if _, err := near.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
}

func TestPeek(t *testing.T) {
	near, far := connected(t)
	look := near.(*conn).Peek
	if data, err := look(); data || err != nil {
		t.Errorf("idle: %v, %v", data, err)
	}
	send(t, far, "x")
	if data, err := look(); !data || err != nil {
		t.Errorf("a byte waits: %v, %v", data, err)
	}
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	far.Close()
	if data, err := look(); data || err != io.EOF {
		t.Errorf("the peer has closed: %v, %v", data, err)
	}
	near.Close()
	if _, err := look(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A writer waits for its reader once the window is full, in a bubble's time.
func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := connected(t)
		began := time.Now()
		if err := near.SetWriteDeadline(began.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		n, err := near.Write(make([]byte, window+1))
		if n != window || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("wrote %d, %v after %s", n, err, time.Since(began))
		}
		if err := near.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			_, _ = io.ReadFull(far, make([]byte, 10))
		}()
		began = time.Now()
		if n, err := near.Write(make([]byte, 10)); n != 10 || err != nil || time.Since(began) != time.Minute {
			t.Errorf("wrote %d, %v after %s", n, err, time.Since(began))
		}
	})
}

// As on Linux, one call tells of a reset, and the next ones do not; after an end in order none does.
func TestAResetIsToldOnce(t *testing.T) {
	write := func(c net.Conn) error { _, err := c.Write([]byte("x")); return err }
	read := func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err }
	end := func(c net.Conn) error { return c.(*conn).CloseWrite() }
	for name, c := range map[string]struct {
		finished bool
		calls    []func(net.Conn) error
		want     []error
	}{
		"write first":           {false, []func(net.Conn) error{write, write, read, end}, []error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, syscall.ENOTCONN}},
		"read first":            {false, []func(net.Conn) error{read, read, write}, []error{syscall.ECONNRESET, io.EOF, syscall.EPIPE}},
		"after an end in order": {true, []func(net.Conn) error{write, read, end}, []error{syscall.EPIPE, io.EOF, syscall.ENOTCONN}},
	} {
		near, far := connected(t)
		if c.finished {
			_ = near.(*conn).CloseWrite()
		}
		near.(*conn).reset()
		for i, call := range c.calls {
			if err := call(far); !errors.Is(err, c.want[i]) {
				t.Errorf("%s: call %d: %v, want %v", name, i, err, c.want[i])
			}
		}
	}
}
