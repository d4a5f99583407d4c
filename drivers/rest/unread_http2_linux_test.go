package rest

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// serveHTTP2 serves connections that greet, and hands each request's stream to handle, after the client's last frame was read.
func serveHTTP2(t *testing.T, handle func(c *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool) *drivertest.RawServer {
	return drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		if !c.Skip(len(http2.ClientPreface)) {
			return
		}
		fr := http2.NewFramer(c.Conn, c.In)
		fr.WriteSettings()
		var waiting []uint32
		for n, greeted := 0, false; ; {
			f, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch h := f.Header(); {
			case h.Type == http2.FrameSettings && h.Flags.Has(http2.FlagSettingsAck):
				greeted = true
			case (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) && h.Flags.Has(http2.FlagDataEndStream):
				waiting = append(waiting, h.StreamID)
			}
			for ; greeted && len(waiting) > 0; waiting = waiting[1:] {
				if n++; !handle(c, fr, waiting[0], n) {
					return
				}
			}
		}
	})
}

func okHTTP2(fr *http2.Framer, stream uint32) {
	block := frames(func(fr *http2.Framer) { head(fr, true, ":status", "204") })
	block[8] = byte(stream) // of a frame for stream 1
	fr.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, stream, block[9:])
}

// A stream that the server refused was not processed (RFC 9113, 8.7).
func TestRefusedStream(t *testing.T) {
	for name, test := range map[string]struct {
		refused int
		resend  bool
		hidden  int
		outcome drivers.Outcome
		code    string
	}{
		"once":         {1, true, 1, drivers.Acked, ""},
		"always":       {1000, true, maxRefused, drivers.Indeterminate, drivers.CodeReset},
		"switched off": {1, false, 0, drivers.Indeterminate, drivers.CodeReset},
	} {
		t.Run(name, func(t *testing.T) {
			server := serveHTTP2(t, func(_ *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
				if n <= test.refused {
					return fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream) == nil
				}
				okHTTP2(fr, stream)
				return true
			})
			at := do(t, session1(t, &Config{Request: "GET http://" + server.Address(), HTTP2: true, Connection: Connection{Resend: &test.resend}}), 1)
			expect(t, at, test.outcome, test.code)
			if at.Hidden != test.hidden || at.Transparent != test.hidden {
				t.Errorf("%+v", at)
			}
		})
	}
}

// A request that the server did not process, and that is not sent again for want of a file descriptor, was not sent by the run's own doing.
func TestHTTP2RequestThatIsNotSentAgain(t *testing.T) {
	server := serveHTTP2(t, func(_ *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
		if n < 2 {
			okHTTP2(fr, stream)
			return true
		}
		fr.WriteGoAway(stream-2, http2.ErrCodeNo, nil)
		return false
	})
	dials := 0
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.EMFILE}
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	s := sessionOver(t, dial, &Config{Request: "POST http://" + server.Address(), Body: "x", HTTP2: true}, nil)
	expect(t, do(t, s, 1), drivers.Acked, "")
	if at := do(t, s, 2); at.Wire || !strings.Contains(at.Unsent(), "ulimit -n") {
		t.Errorf("%q: %+v", at.Unsent(), at)
	}
}

// Over HTTP/2 too: a request that was read is not sent again.
func TestHTTP2RequestThatWasRead(t *testing.T) {
	var came atomic.Int64
	server := serveHTTP2(t, func(_ *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
		came.Add(1)
		if n < 2 {
			okHTTP2(fr, stream)
		}
		return n < 2
	})
	s := session1(t, &Config{Request: "POST http://" + server.Address(), Body: "x", HTTP2: true})
	expect(t, do(t, s, 1), drivers.Acked, "")
	at := do(t, s, 2)
	if at.Outcome != drivers.Indeterminate || at.Hidden != 0 || came.Load() != 2 || !strings.Contains(at.Detail, "on a reused connection that had been idle for") {
		t.Errorf("%+v, %d came", at, came.Load())
	}
}

// A connection that ends while idle costs no operation, even if the request is being written as the end is found.
// (After a request with a body net/http may write an RST_STREAM when the answer was taken.)
func TestHTTP2RequestThatCrossedTheEnd(t *testing.T) {
	for name, slow := range map[string]bool{"end found after the write": false, "end found during the write": true} {
		t.Run(name, func(t *testing.T) {
			held := make(chan struct{})
			var came atomic.Int64
			server := serveHTTP2(t, func(_ *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
				came.Add(1)
				okHTTP2(fr, stream)
				<-held
				return false
			})
			env := drivertest.NewEnv(t, time.Now())
			var last atomic.Pointer[late]
			env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err != nil {
					return nil, err
				}
				l := &late{TCPConn: c.(*net.TCPConn), slow: slow, wrote: make(chan struct{}), over: make(chan struct{})}
				last.Store(l)
				return l, nil
			}
			d, err := (&Config{Request: "GET http://" + server.Address(), HTTP2: true}).Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			s, _ := d.Session()
			expect(t, do(t, s, 1), drivers.Acked, "")
			l := last.Load()
			l.hold.Store(true)
			close(held)
			raw, _ := l.SyscallConn()
			awaitState(t, &socket{raw: raw}, tcpCloseWait)
			at := do(t, s, 2)
			expect(t, at, drivers.Acked, "")
			if at.Hidden != 1 || at.Transparent != 1 || came.Load() != 2 {
				t.Errorf("%+v, %d came", at, came.Load())
			}
		})
	}
}
