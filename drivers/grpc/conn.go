package grpc

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// conn remembers a reset. The kernel reports a reset once, to the first of gRPC's reader and writer to ask. If that
// is the writer, the reader sees only an end of file. Without conn a reset would be reported as a close at random.
type conn struct {
	net.Conn
	reset atomic.Bool
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if errors.Is(err, syscall.ECONNRESET) {
		c.reset.Store(true)
	}
	return n, err
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == io.EOF && c.reset.Load() {
		err = &net.OpError{Op: "read", Net: "tcp", Addr: c.RemoteAddr(), Err: syscall.ECONNRESET}
	}
	return n, err
}
