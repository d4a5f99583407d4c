package rest

import (
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// framed is a connection below net/http's HTTP/2 and above TLS.
type framed struct {
	net.Conn
	socket *socket
	before atomic.Int64 // bytes on the socket before the last HEADERS frame
}

// Write notes where a request begins. net/http flushes each frame, so that a write begins with one.
//
// net/http closes a connection at a write error, and tells all its requests of that. What the peer said before it went lies
// unread then: answers, and the GOAWAY that names the requests that it does not process. So where the peer has ended the
// connection, Write says nothing. The reader finds the same end, after all that came.
func (c *framed) Write(p []byte) (int, error) {
	if len(p) > 3 && http2.FrameType(p[3]) == http2.FrameHeaders {
		c.before.Store(c.socket.sent.Load())
	}
	n, err := c.Conn.Write(p)
	if err != nil && c.socket.wasReset() {
		return len(p), nil
	}
	return n, err
}

// Close waits for a TLS peer that takes no close_notify no longer than net/http does.
func (c *framed) Close() error {
	timer := time.AfterFunc(250*time.Millisecond, func() { _ = c.socket.Close() })
	defer timer.Stop()
	return c.Conn.Close()
}

// watch returns the number of bytes that were on the socket before the request's own; -1 as long as nothing of it is written.
// It may be lower than that, and never higher.
func (c *framed) watch(request **http.Request) *atomic.Int64 {
	base := new(atomic.Int64)
	base.Store(-1)
	trace := &httptrace.ClientTrace{WroteHeaders: func() { base.Store(c.before.Load()) }} // other requests' frames have to wait
	*request = (*request).WithContext(httptrace.WithClientTrace((*request).Context(), trace))
	return base
}
