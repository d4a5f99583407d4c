// Package visit opens connections to a part of a target that are over, at the part too, when they are closed: those of a question
// whether the part works. No later fault on the part meets them.
package visit

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// Dial opens a connection. Once its Close has returned, the part too knows of its end.
//
// A mere close leaves the connection open at the part for a while. A program that this process starts meanwhile has a copy of the
// connection until it runs. A container's connection is closed by the engine's proxy. A fault on the part would count it as
// traffic.
func Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a connection that ends on both sides. Its methods are safe for concurrent use.
type conn struct {
	net.Conn
	once sync.Once
	err  error
}

// endsWithin bounds the time that the other side has to end a connection.
const endsWithin = 200 * time.Millisecond

// Close ends the writing side, waits for the other side's end, and closes the connection. It is idempotent; each call returns
// when the connection has ended.
func (c *conn) Close() error {
	c.once.Do(func() {
		half, ok := c.Conn.(interface{ CloseWrite() error })
		if ok && half.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(endsWithin)) == nil {
			_, _ = io.Copy(io.Discard, c.Conn)
		}
		c.err = c.Conn.Close()
	})
	return c.err
}

// Calls are the connections of one question to a part. The zero value is ready for use, by several goroutines at once.
type Calls struct {
	mu   sync.Mutex
	open []net.Conn
}

// Dial is the function Dial, and takes note of the connection.
func (a *Calls) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := Dial(ctx, network, address)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.open = append(a.open, c)
	}
	return c, err
}

// End closes the connections. Once it has returned, the part too knows of their ends.
func (a *Calls) End() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.open {
		c.Close()
	}
}
