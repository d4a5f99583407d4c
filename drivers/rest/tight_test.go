package rest

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// A tight connection holds little of what is written: tightBuffer is asked of each socket, of which the kernel makes twice as
// much. A body of moreThanTight bytes stays with the sender until the target reads.
const (
	tightBuffer   = 64 << 10
	moreThanTight = 2 << 20
)

// dialTight makes connections with a tight send buffer.
func dialTight(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, c.(*net.TCPConn).SetWriteBuffer(tightBuffer)
}

// tighten gives a target's connection a tight receive buffer.
func tighten(c net.Conn) {
	if raw, ok := c.(*drivertest.RawConn); ok {
		c = raw.Conn
	}
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	_ = c.(*net.TCPConn).SetReadBuffer(tightBuffer)
}

// openTight is open over tight connections.
func openTight(t *testing.T, c *Config) drivers.Driver {
	t.Helper()
	env := drivertest.NewEnv(t, time.Now())
	env.Dial = dialTight
	d, err := c.Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// Without this the tests of long bodies would show nothing: the sockets would take a body that nobody reads.
func TestTightConnectionsHoldLittle(t *testing.T) {
	server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) {
		tighten(c)
		<-c.Done
	})
	c, err := dialTight(t.Context(), "tcp", server.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Write(make([]byte, moreThanTight)); err == nil || n > moreThanTight/3 {
		t.Errorf("the sockets hold %d of %d bytes, %v", n, moreThanTight, err)
	}
}
