package tlsconfig

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"
)

// ErrHandshake marks a connection that failed because one side refused the other in the TLS handshake.
var ErrHandshake = errors.New("tls handshake")

// alertLimit bounds the wait for an alert after a failed write. The alert came before the reset that failed the write.
const alertLimit = 100 * time.Millisecond

// Conn is the client's end of a TLS connection. In TLS 1.3 a server refuses a client's certificate after the client has ended
// its handshake. So the refusal may meet the client's first write or read: these then fail with ErrHandshake and the alert.
type Conn struct {
	*tls.Conn
	answered atomic.Bool // the server has sent a byte
}

// Client makes conn a TLS connection to address, a host and its port, and closes conn if it cannot. The host is verified where
// config names no server. ctx bounds the handshake. An error wraps ErrHandshake.
func Client(ctx context.Context, conn net.Conn, address string, config *tls.Config) (net.Conn, error) {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	return &Conn{Conn: secured}, nil
}

// Read implements net.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.answered.Store(true)
	}
	return n, c.refusal(err)
}

// Write implements net.Conn. If it fails before the server has sent a byte, it waits at most alertLimit for the server's alert.
// A byte that comes in its place is lost with the connection.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if err != nil && !c.answered.Load() && c.SetReadDeadline(time.Now().Add(alertLimit)) == nil {
		if _, end := c.Read(make([]byte, 1)); errors.Is(end, ErrHandshake) {
			err = end
		}
	}
	return n, err
}

// refusal is err, marked with ErrHandshake if it is an alert by which a server ends a handshake.
func (c *Conn) refusal(err error) error {
	var op *net.OpError
	if err == nil || c.answered.Load() || !errors.As(err, &op) || op.Op != "remote error" {
		return err
	}
	for _, alert := range refusals {
		if op.Err.Error() == alert.Error() {
			return fmt.Errorf("%w: %w", ErrHandshake, err)
		}
	}
	return err
}

// refusals are the alerts that refuse a client's certificate, or the lack of one (RFC 8446, section 6.2).
var refusals = []tls.AlertError{
	42,  // bad_certificate
	43,  // unsupported_certificate
	44,  // certificate_revoked
	45,  // certificate_expired
	46,  // certificate_unknown
	48,  // unknown_ca
	49,  // access_denied
	116, // certificate_required
}
