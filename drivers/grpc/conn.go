package grpc

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
)

// conn remembers a reset. The kernel tells of one once, to whichever of gRPC's reader and writer asks first: where that is
// the writer, the reader finds nothing but an end, and a reset would be told as a close, or not, by chance.
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
