package visit

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// copied takes a copy of a connection, as a program does that is being started.
func copied(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(*conn).Conn.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
}

// serve takes one connection and returns what becomes of it at the other side.
func serve(t *testing.T, handle func(net.Conn)) (address string, taken <-chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	all := make(chan net.Conn, 1)
	var served sync.WaitGroup
	t.Cleanup(func() { l.Close(); served.Wait() })
	served.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all <- c
			served.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return l.Addr().String(), all
}

// The other side has ended the connection when Close returns, although a copy of it is still open.
func TestEndsAtBothSides(t *testing.T) {
	ended := make(chan struct{})
	address, _ := serve(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c)
		close(ended)
	})
	var calls Calls
	c, err := calls.Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	copied(t, c)
	calls.End()
	select {
	case <-ended:
	default:
		t.Error("the other side knows of no end")
	}
	if err := c.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// A side that never ends holds Close up for a bounded time, and the context of a dial is heeded.
func TestNoEnd(t *testing.T) {
	hold := make(chan struct{})
	address, taken := serve(t, func(net.Conn) { <-hold })
	c, err := Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// The part has received the end, although it does nothing about it.
	if n, err := (<-taken).Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("read %d, %v", n, err)
	}
	close(hold)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, "tcp", address); err == nil {
		t.Error("dialled with a context that had ended")
	}
}

// A connection that is broken is closed all the same.
func TestBroken(t *testing.T) {
	address, _ := serve(t, func(c net.Conn) {
		_ = c.(*net.TCPConn).SetLinger(0)
		_, _ = c.Read(make([]byte, 1))
	})
	c, err := Dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Read(make([]byte, 1))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
