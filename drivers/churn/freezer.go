package churn

import (
	"net"
	"sync"
)

// Freezer holds a consumer as the kernel holds a stopped process. The consumer does nothing, incoming bytes stay unread,
// and its connections stay open.
type Freezer struct {
	mu     sync.Mutex
	thawed chan struct{} // closed while the consumer is not frozen
}

// NewFreezer returns a freezer of a consumer that is not frozen.
func NewFreezer() *Freezer {
	f := &Freezer{thawed: make(chan struct{})}
	close(f.thawed)
	return f
}

// Freeze holds the consumer until Thaw.
func (f *Freezer) Freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thawed = make(chan struct{})
}

// Thaw lets the consumer go on.
func (f *Freezer) Thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thawed)
}

// Wait blocks while the consumer is frozen.
func (f *Freezer) Wait() {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	<-thawed
}

// Conn returns conn as a connection of the consumer.
func (f *Freezer) Conn(conn net.Conn) net.Conn { return &frozenConn{conn, f} }

// frozenConn is a connection of a consumer that can be frozen.
type frozenConn struct {
	net.Conn
	freezer *Freezer
}

// Read holds back the bytes that it read: the read may have begun before the freeze.
func (c *frozenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.freezer.Wait()
	return n, err
}

func (c *frozenConn) Write(p []byte) (int, error) {
	c.freezer.Wait()
	return c.Conn.Write(p)
}
