package rest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// A GOAWAY that came before a write failed counts, although the write failed before the GOAWAY was read: nginx says one, reads on
// without heed for a while, and resets what comes then.
func TestGoAwayBeforeAFailedWrite(t *testing.T) {
	for name, test := range map[string]struct {
		last    uint32
		hidden  int
		outcome drivers.Outcome
		code    string
	}{
		"the request is beyond its last stream": {1, 1, drivers.Acked, ""},
		"the request may have been processed":   {3, 0, drivers.Indeterminate, drivers.CodeClosed},
	} {
		t.Run(name, func(t *testing.T) {
			retire := make(chan struct{})
			var first *deaf
			server := serveHTTP2(t, func(c *drivertest.RawConn, fr *http2.Framer, stream uint32, n int) bool {
				okHTTP2(fr, stream)
				if n > 1 {
					return true
				}
				<-retire
				fr.WriteGoAway(test.last, http2.ErrCodeNo, nil)
				c.HalfClose()
				for f, err := fr.ReadFrame(); err == nil && f.Header().Type != http2.FrameHeaders; {
					f, err = fr.ReadFrame()
				}
				first.awaitAcked()
				c.Reset()
				return false
			})
			env := drivertest.NewEnv(t, time.Now())
			env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, address)
				if err != nil || first != nil {
					return c, err
				}
				raw, err := c.(*net.TCPConn).SyscallConn()
				first = &deaf{TCPConn: c.(*net.TCPConn), socket: &socket{raw: raw}, t: t, failed: make(chan struct{})}
				return first, err
			}
			d, err := (&Config{Request: "POST http://" + server.Address(), Body: "x", HTTP2: true}).Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			s, _ := d.Session()
			expect(t, do(t, s, 1), drivers.Acked, "")
			first.on.Store(true)
			close(retire)
			at := do(t, s, 2)
			expect(t, at, test.outcome, test.code)
			if at.Hidden != test.hidden || at.Transparent != test.hidden {
				t.Errorf("%+v", at)
			}
		})
	}
}

// deaf is a connection that hears nothing until a write has failed. It writes data only after the peer's RST.
type deaf struct {
	*net.TCPConn
	socket *socket
	t      *testing.T
	on     atomic.Bool
	failed chan struct{}
	once   sync.Once
}

// awaitAcked waits until the peer acknowledged all that was written: a reset does not.
func (c *deaf) awaitAcked() {
	for unacked := true; unacked && c.t.Context().Err() == nil; time.Sleep(time.Millisecond) {
		c.socket.raw.Control(func(fd uintptr) {
			info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
			unacked = err == nil && info.Unacked > 0
		})
	}
}

func (c *deaf) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if c.on.Load() {
		<-c.failed
	}
	return n, err
}

func (c *deaf) Write(p []byte) (int, error) {
	on := c.on.Load()
	if on && http2.FrameType(p[3]) == http2.FrameData {
		awaitState(c.t, c.socket, tcpClose)
	}
	n, err := c.TCPConn.Write(p)
	if on && err != nil {
		c.once.Do(func() { close(c.failed) })
	}
	return n, err
}

func (c *deaf) Close() error {
	c.once.Do(func() { close(c.failed) })
	return c.TCPConn.Close()
}
