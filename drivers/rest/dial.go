package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wringer/drivers"
)

// socket is one dialled connection. A second Close does nothing.
type socket struct {
	net.Conn
	o     *origin
	once  sync.Once
	raw   syscall.RawConn // nil if the socket cannot be looked at
	sent  atomic.Int64    // bytes written so far, or being written: see Write
	shut  atomic.Bool     // Close began: nothing more is written
	ended atomic.Bool     // Read found the end of the peer's bytes
	reset atomic.Bool     // a read or write told of an RST that no FIN preceded

	// Set by Close for a shared connection: see keepEnd.
	ackedAtEnd int64
	turnedAway bool
}

func (s *socket) Close() error {
	err := net.ErrClosed
	s.once.Do(func() {
		s.o.client.open.Add(-1)
		s.shut.Store(true)
		if s.o.pool != nil {
			s.keepEnd()
		}
		err = s.Conn.Close()
	})
	return err
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
		s.ended.Store(true)
	default:
		s.note(err)
	}
	return n, err
}

// Write counts the bytes before it writes them. A close at the same time then either has them in sent, and waits for what becomes
// of them. Or it keeps them from being written.
func (s *socket) Write(p []byte) (int, error) {
	s.sent.Add(int64(len(p)))
	if s.shut.Load() {
		s.sent.Add(int64(-len(p)))
		return 0, net.ErrClosed
	}
	n, err := s.Conn.Write(p)
	if n < len(p) {
		s.sent.Add(int64(n - len(p)))
	}
	if err != nil {
		s.note(err)
	}
	return n, err
}

// note remembers an RST that no FIN preceded. (After a FIN the kernel says EPIPE.)
func (s *socket) note(err error) {
	if errors.Is(err, syscall.ECONNRESET) {
		s.reset.Store(true)
	}
}

// socketOf returns the socket below a connection; nil if there is none.
func socketOf(c net.Conn) *socket {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, _ := c.(*socket)
	return s
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
	s.raw = raw
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
	case errors.Is(err, drivers.ErrOutside):
		code = codeOutside
	case timedOut(ctx, err) || drivers.IsTimeout(err):
		code = drivers.CodeTimeout
		if errors.As(err, &shake) {
			err = fmt.Errorf("the TLS handshake did not end in time: %w", err)
		} else {
			err = fmt.Errorf("the dial did not end in time: %w", err)
		}
	case errors.As(err, &shake):
		code = drivers.CodeTLS
	}
	at.Fail(drivers.Rejected, code, err.Error())
}

// codeOutside is the code of an attempt whose connection the run's bounds forbid.
const codeOutside = "outside"

// unrendered ends an attempt whose request could not be rendered: nothing was sent.
func unrendered(env drivers.Env, at *drivers.Attempt, err error) {
	at.Done = env.Clock()
	at.Fail(drivers.Rejected, drivers.CodeMessage, err.Error())
}

// reusedError is the failure of a request on a connection that had been idle. The peer may have closed the connection
// before it got the request; whether it did is not known.
type reusedError struct {
	err  error
	idle time.Duration
}

func (e *reusedError) Error() string {
	return e.err.Error() + ", on a reused connection that had been idle for " + e.idle.Round(100*time.Microsecond).String()
}

func (e *reusedError) Unwrap() error { return e.err }

// unreadError is the failure of a request that the peer surely did not read.
type unreadError struct{ error }

func (e *unreadError) Unwrap() error { return e.error }

// unanswered ends an attempt that was sent and got no whole answer. It may have taken effect.
func unanswered(ctx context.Context, at *drivers.Attempt, err error) {
	code := unansweredCode(ctx, err)
	at.Partial = errors.As(err, new(afterHead)) && code != drivers.CodeTimeout && code != drivers.CodeCancelled
	at.Fail(drivers.Indeterminate, code, err.Error())
}

// afterHead is what broke an answer whose status came.
type afterHead struct{ error }

func (e afterHead) Unwrap() error { return e.error }

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
