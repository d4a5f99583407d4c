package kafka

import (
	"net"
	"sync"
)

// freezer holds a consumer as the kernel holds a stopped process. The consumer does nothing, incoming bytes stay unread,
// and its connections stay open.
type freezer struct {
	mu     sync.Mutex
	thawed chan struct{} // closed while the consumer is not frozen
}

func newFreezer() *freezer {
	f := &freezer{thawed: make(chan struct{})}
	close(f.thawed)
	return f
}

func (f *freezer) freeze() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.thawed = make(chan struct{})
}

func (f *freezer) thaw() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.thawed)
}

// wait blocks while the consumer is frozen.
func (f *freezer) wait() {
	f.mu.Lock()
	thawed := f.thawed
	f.mu.Unlock()
	<-thawed
}

// frozenConn is a connection of a consumer that can be frozen.
type frozenConn struct {
	net.Conn
	freezer *freezer
}

// Read holds back the bytes that it read: the read may have begun before the freeze.
func (c *frozenConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.freezer.wait()
	return n, err
}

func (c *frozenConn) Write(p []byte) (int, error) {
	c.freezer.wait()
	return c.Conn.Write(p)
}
