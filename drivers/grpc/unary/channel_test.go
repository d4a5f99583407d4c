package unary

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"wringer/drivers"
)

// A channel reconnects after failures. Meanwhile calls fail at once with the last error.
func TestConnecting(t *testing.T) {
	address := startTarget(t, nil, func(p *peer) {
		stream := p.request()
		p.answer(stream, nil)
	})
	var refuse atomic.Bool
	var opened, closed atomic.Int64
	o := options(address)
	dial := o.Dial
	errRefused := errors.New("refused for the test")
	o.Dial = func(ctx context.Context) (net.Conn, error) {
		if refuse.Load() {
			return nil, errRefused
		}
		return dial(ctx)
	}
	o.Opened, o.Closed = func() { opened.Add(1) }, func() { closed.Add(1) }
	ch := New(o)
	caller := ch.NewCaller()
	refuse.Store(true)
	for range 3 {
		if r := caller.Do(within(t, long), nil, nil); r.Sent != 0 || !errors.Is(r.Err, errRefused) {
			t.Errorf("%+v", r)
		}
	}
	refuse.Store(false)
	until(t, func() bool {
		r := caller.Do(within(t, long), nil, nil)
		if !r.Answered && r.Sent != 0 {
			t.Fatalf("%+v", r)
		}
		return r.Answered
	})
	// The target ended that connection; the next call makes another.
	until(t, func() bool {
		r := caller.Do(within(t, long), nil, nil)
		if !r.Answered && r.Fault != drivers.CodeClosed && r.Fault != drivers.CodeReset {
			t.Fatalf("%+v", r)
		}
		return r.Answered
	})
	ch.Close()
	if r := caller.Do(within(t, long), nil, nil); r.Sent != 0 || !errors.Is(r.Err, ErrClosed) {
		t.Errorf("%+v", r)
	}
	if opened.Load() < 2 || opened.Load() != closed.Load() {
		t.Errorf("%d opened, %d closed", opened.Load(), closed.Load())
	}
}

// A peer that does not begin with HTTP/2 is not a connection.
func TestNoHTTP2(t *testing.T) {
	for name, talk := range map[string]func(c net.Conn){
		"closes":   func(c net.Conn) {},
		"HTTP/1.1": func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"a ping":   func(c net.Conn) { http2.NewFramer(c, nil).WritePing(false, [8]byte{}) },
		"a ping, and waits": func(c net.Conn) {
			http2.NewFramer(c, nil).WritePing(false, [8]byte{})
			io.Copy(io.Discard, c)
		},
		"an acknowledgement": func(c net.Conn) { http2.NewFramer(c, nil).WriteSettingsAck() },
		"a bad setting": func(c net.Conn) {
			http2.NewFramer(c, nil).WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1})
		},
		"silence": func(c net.Conn) { io.Copy(io.Discard, c) },
	} {
		t.Run(name, func(t *testing.T) {
			o := options("nowhere:1")
			o.Timeout = 100 * time.Millisecond
			var talks sync.WaitGroup
			o.Dial = func(context.Context) (net.Conn, error) {
				a, b := net.Pipe()
				talks.Go(func() {
					defer b.Close()
					io.CopyN(io.Discard, b, int64(len(http2.ClientPreface)))
					go io.Copy(io.Discard, b)
					talk(b)
				})
				return a, nil
			}
			ch := New(o)
			if r := ch.NewCaller().Do(within(t, long), nil, nil); r.Sent != 0 || r.Err == nil {
				t.Errorf("%+v", r)
			}
			ch.Close()
			talks.Wait()
		})
	}
}
