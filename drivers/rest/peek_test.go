package rest

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// lookedAt is a connection without a socket, whose peer is said to have done something.
type lookedAt struct {
	net.Conn
	data bool
	err  error
}

func (c *lookedAt) Peek() (bool, error) { return c.data, c.err }

// An idle connection without a socket is looked at by its own Peek: one that the peer has closed, or on which something came that
// nobody asked for, is replaced, and no attempt is made on it.
func TestIdleConnectionWithoutSocket(t *testing.T) {
	for name, c := range map[string]struct {
		now   lookedAt
		dials int64
	}{
		"open":   {lookedAt{}, 1},
		"closed": {lookedAt{err: io.EOF}, 2},
		"data":   {lookedAt{data: true}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			address := replies(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			var dials atomic.Int64
			var last *lookedAt
			env := drivertest.NewEnv(t, time.Now())
			env.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				dials.Add(1)
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				last = &lookedAt{Conn: conn}
				return last, err
			}
			d, err := (&Config{Request: "GET http://" + address + "/"}).Open(t.Context(), env)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			s, err := d.Session()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			expect(t, do(t, s, 0), drivers.Acked, "")
			last.data, last.err = c.now.data, c.now.err
			expect(t, do(t, s, 1), drivers.Acked, "")
			if n := dials.Load(); n != c.dials {
				t.Errorf("%d dials, want %d", n, c.dials)
			}
		})
	}
}

// What lies under TLS is looked at, records and all.
func TestPeekUnderTLS(t *testing.T) {
	under := &lookedAt{}
	if got := peekingOf(tls.Client(&socket{Conn: under}, &tls.Config{})); got != under {
		t.Errorf("found %v", got)
	}
	if got := peekingOf(&socket{Conn: &net.TCPConn{}}); got != nil {
		t.Errorf("a socket is looked at by %v", got)
	}
}
