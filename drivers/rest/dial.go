package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"wringer/drivers"
)

// socket is one dialled connection. A second Close does nothing.
type socket struct {
	net.Conn
	o     *origin
	once  sync.Once
	ended bool // Read found the end of the peer's bytes
}

// Read notes the end of the peer's bytes. crypto/tls reports this end like a close_notify, as io.EOF, but reads no
// further after a close_notify. So the end is never returned together with bytes, which may hold the close_notify.
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	switch {
	case err == nil:
	case n > 0:
		err = nil // the next Read meets the error again
	case errors.Is(err, io.EOF):
		s.ended = true
	}
	return n, err
}

func (s *socket) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		s.o.client.open.Add(-1)
		err = s.Conn.Close()
	})
	return err
}

// dial connects, with TLS if the scheme asks for it. raw is nil if the socket cannot be looked at.
func (o *origin) dial(ctx context.Context) (c net.Conn, raw syscall.RawConn, err error) {
	plain, err := o.env.Dial(ctx, o.network, o.address)
	if err != nil {
		return nil, nil, err
	}
	o.client.open.Add(1)
	o.client.opened.Add(1)
	s := &socket{Conn: plain, o: o}
	if sc, ok := plain.(syscall.Conn); ok {
		if raw, err = sc.SyscallConn(); err != nil {
			raw = nil
		}
	}
	if o.secure == nil {
		return s, raw, nil
	}
	t := tls.Client(s, o.secure)
	if err := t.HandshakeContext(ctx); err != nil {
		s.Close()
		return nil, nil, &handshakeError{err}
	}
	if want := o.secure.NextProtos[0]; want == "h2" && t.ConnectionState().NegotiatedProtocol != want {
		t.Close()
		return nil, nil, &handshakeError{errors.New("the target does not offer HTTP/2 (ALPN h2); remove http2")}
	}
	return t, raw, nil
}

// handshakeError is a failure of the TLS handshake.
type handshakeError struct{ err error }

func (e *handshakeError) Error() string { return e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// unsent ends an attempt that got no connection.
func unsent(ctx context.Context, at *drivers.Attempt, err error) {
	code := drivers.CodeRefused
	var name *net.DNSError
	var shake *handshakeError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		code = drivers.CodeCancelled
	case errors.As(err, &name):
		code = drivers.CodeDNS // also when the resolver does not answer in time
	case timedOut(ctx, err):
	case errors.As(err, &shake):
		code = drivers.CodeTLS
	}
	at.Fail(drivers.Rejected, code, err.Error())
}

// codeMessage is the code of an attempt whose request could not be rendered.
const codeMessage = "message"

// unrendered ends an attempt whose request could not be rendered: nothing was sent.
func unrendered(env drivers.Env, at *drivers.Attempt, err error) {
	at.Done = env.Clock()
	at.Fail(drivers.Rejected, codeMessage, err.Error())
}

// unanswered ends an attempt that was sent and got no whole answer. It may have taken effect.
func unanswered(ctx context.Context, at *drivers.Attempt, err error) {
	at.Fail(drivers.Indeterminate, unansweredCode(ctx, err), err.Error())
}

func unansweredCode(ctx context.Context, err error) string {
	var broken malformed
	var op *net.OpError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return drivers.CodeCancelled
	case timedOut(ctx, err):
		return drivers.CodeTimeout
	case errors.Is(err, errTooLarge):
		return drivers.CodeTooLarge
	case errors.As(err, &broken):
		return drivers.CodeMalformed
	case errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED):
		return drivers.CodeReset
	case errors.Is(err, errCut) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed):
		return drivers.CodeClosed
	case errors.As(err, &op):
		return netCode(op)
	}
	return drivers.CodeMalformed
}

// netCode returns the code for errors that crypto/tls reports as network errors: an alert of the peer, and unreadable
// records.
func netCode(op *net.OpError) string {
	switch op.Op {
	case "remote error":
		return drivers.CodeTLS
	case "local error":
		return drivers.CodeMalformed
	}
	return drivers.CodeReset
}

func timedOut(ctx context.Context, err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded)
}
