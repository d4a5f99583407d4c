package amqp

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/rabbit"
)

// halfOpen dials connections that can be lost on the client's side alone: the broker sees no end until it is told.
type halfOpen struct {
	mu   sync.Mutex
	open []*lostConn
}

// lostConn is a connection whose end does not reach the broker before tell.
type lostConn struct {
	net.Conn
	lost atomic.Bool
}

func (h *halfOpen) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c := &lostConn{Conn: conn}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open = append(h.open, c)
	return c, nil
}

// lose ends all connections for the client. The returned function ends them for the broker too.
func (h *halfOpen) lose(t *testing.T) (tell func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	gone := h.open
	h.open = nil
	for _, c := range gone {
		c.lost.Store(true)
		if err := c.SetDeadline(time.Now()); err != nil {
			t.Error(err)
		}
	}
	return func() {
		for _, c := range gone {
			c.Conn.Close()
		}
	}
}

func (c *lostConn) SetDeadline(at time.Time) error {
	if c.lost.Load() {
		at = time.Now()
	}
	return c.Conn.SetDeadline(at)
}

func (c *lostConn) SetReadDeadline(at time.Time) error {
	if c.lost.Load() {
		at = time.Now()
	}
	return c.Conn.SetReadDeadline(at)
}

func (c *lostConn) SetWriteDeadline(at time.Time) error {
	if c.lost.Load() {
		at = time.Now()
	}
	return c.Conn.SetWriteDeadline(at)
}

func (c *lostConn) Close() error {
	if c.lost.Load() {
		return nil
	}
	return c.Conn.Close()
}

// The broker notices late that a source lost its connection, and holds what it had handed out there meanwhile. The source is at its
// end only after these came too, or it says that it is not.
func TestRealHalfOpen(t *testing.T) {
	url := rabbit.URL(t)
	for _, kind := range []string{typeClassic, typeQuorum, typeStream} {
		for _, whose := range []sourceKind{ownQueue, foreignQueue} {
			if kind == typeStream && whose == foreignQueue {
				continue // nothing is taken from a stream
			}
			t.Run(fmt.Sprintf("%s/%v", kind, whose == ownQueue), func(t *testing.T) {
				t.Parallel()
				queue := freshName("queue")
				reading := &halfOpen{}
				env := testEnv(t)
				env.Timeout = 20 * time.Second
				a := &account{env: env, driver: openDriver(t, Config{URL: url, Queue: queue, Declare: &Topology{Queues: map[string]Queue{queue: {Type: kind}}}}, env)}
				env.Direct = reading.dial
				if kind == typeStream {
					whose = ownStream
				}
				source, err := newSource(env, access{url: url}, queue, queue, whose, fieldConfig{})
				if err != nil {
					t.Fatal(err)
				}
				seen := &sightings{}
				held := make(chan struct{})
				var once sync.Once
				end := receiveWith(t, source, func(d *drivers.Delivery) {
					once.Do(func() { <-held }) // the broker hands out more than the source takes
					seen.deliver(d)
				})
				a.send(t, 600)
				tell := reading.lose(t)
				close(held)
				a.send(t, 100)
				bounded, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				early := source.CatchUp(bounded)
				if missing := a.compare(seen.copy()).lost; early == nil && missing > 0 {
					t.Errorf("the source says that it is at its end, and %d messages are to come", missing)
				}
				tell()
				catchUp(t, source)
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if got, want := a.compare(seen.copy()), (counts{acked: 700}); got != want {
					t.Errorf("%+v, want %+v (%v)", got, want, early)
				}
			})
		}
	}
}
