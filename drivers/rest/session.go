package rest

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"wringer/drivers"
)

// session sends HTTP/1.1 requests over a connection of its own. If a connection fails during a request, the attempt
// ends, unless the peer surely read nothing of the request.
type session struct {
	d    *driver
	conn *conn // nil without a connection
	requestBuffer
	answer answer
	reader reader
	known  time.Duration // when the outcome of the last transmission was known; 0: not noted
}

// Do implements drivers.Session.
func (s *session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	if err := s.render(s.d, op); err != nil {
		unrendered(s.d.env, at, err)
		return
	}
	var err error = errStale
	if s.conn != nil && s.conn.hasDirect() {
		s.conn.mark()
		at.Sent = s.d.env.Clock()
		err = s.attempt(ctx, at.Sent, (*conn).exchange)
	}
	s.finish(ctx, op, at, err)
}

// resume finishes an attempt that the loop began on the session's connection. rest is the unsent part of the request;
// failed is the error that ended sending. The connection's buffer holds the bytes of the answer received so far.
func (s *session) resume(ctx context.Context, op *drivers.Op, at *drivers.Attempt, rest []byte, failed error) {
	err := s.attempt(ctx, s.d.env.Clock(), func(c *conn, ctx context.Context, _ []byte) error {
		c.rest = rest
		return failed
	})
	if err != nil {
		_ = s.render(s.d, op) // it may have to be sent again; it was rendered before
	}
	s.finish(ctx, op, at, err)
}

// finish ends an attempt after a transmission that ended with err. A request of which nothing was sent is sent over
// another connection, and so is one that the peer surely did not read.
func (s *session) finish(ctx context.Context, op *drivers.Op, at *drivers.Attempt, err error) {
	if err != nil { // apart, because resend allocates
		var sent bool
		if err, sent = s.resend(ctx, at, err); !sent {
			return
		}
	}
	at.Wire, at.Out = true, int64(len(s.body))
	s.settle(ctx, op, at, err)
}

// resend sends the request again while the target surely did not read it. It returns the error of the last transmission. sent
// is false if nothing was sent, because no connection could be made: the outcome is then set.
func (s *session) resend(ctx context.Context, at *drivers.Attempt, err error) (last error, sent bool) {
	var unread *unreadError
	for err == errStale || errors.As(err, &unread) {
		if failed := s.connect(ctx); failed != nil {
			at.Done, at.Wire, at.Out = s.d.env.Clock(), false, 0
			unsent(ctx, at, failed)
			if unread != nil && at.Unsent() == "" {
				break // report the first error
			}
			return failed, false
		}
		s.conn.mark()
		now := s.d.env.Clock()
		if unread == nil {
			at.Sent = now
		} else {
			at.Hidden, at.Transparent, unread = at.Hidden+1, at.Transparent+1, nil
		}
		err = s.attempt(ctx, now, (*conn).send)
	}
	return err, true
}

// settle sets the outcome of an attempt that was sent.
func (s *session) settle(ctx context.Context, op *drivers.Op, at *drivers.Attempt, err error) {
	at.Done = s.known
	if s.known = 0; at.Done == 0 {
		at.Done = s.d.env.Clock()
	}
	if err != nil {
		unanswered(ctx, at, err)
		return
	}
	if s.answer.came > 0 {
		at.Done = s.answer.came
	}
	if s.conn != nil {
		s.conn.reused, s.conn.since = true, at.Done
	}
	s.d.evaluator.decide(&s.answer, op, at)
}

// connect ensures a usable connection. It replaces one that was closed while idle. Nothing was sent on that
// connection, so the replacement is not another attempt.
func (s *session) connect(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.conn != nil {
		if s.conn.usable() {
			return nil
		}
		s.drop()
	}
	c, raw, err := s.d.dial(ctx)
	if err != nil {
		return err
	}
	s.conn = newConn(c, raw, s.d.secure != nil)
	s.reader.c = s.conn
	return nil
}

// examine says more of the failure of a request that got no byte of an answer on a reused connection. It returns errStale if
// nothing of the request was sent, and an unreadError if the peer surely read nothing of it. Otherwise it returns err with the
// circumstances. The connection was perhaps closed because it had been idle.
func (s *session) examine(ctx context.Context, err error) error {
	c := s.conn
	if !c.reused || c.socket == nil || c.r != c.w || s.reader.left != maxHead {
		return err
	}
	if code := unansweredCode(ctx, err); code != drivers.CodeReset && code != drivers.CodeClosed {
		return err
	}
	if c.socket.sent.Load() == c.base {
		return errStale
	}
	s.known = s.d.env.Clock()
	err = &reusedError{err, s.known - c.since}
	if s.d.client.resends && !s.d.env.Linked && c.socket.unread(ctx, c.base) {
		return &unreadError{err}
	}
	return err
}

// errUnasked is an answer to no request.
var errUnasked = errors.New("the idle connection was closed with an unrequested 408")

// saidUnasked reports whether an answer was meant for no request: a server that gives an idle connection up may say 408 (RFC 9110,
// 15.5.9), and surely read nothing of the request that met it.
func (s *session) saidUnasked(ctx context.Context) bool {
	c := s.conn
	return s.answer.status == http.StatusRequestTimeout && s.answer.last && c.reused && c.socket != nil &&
		s.d.client.resends && !s.d.env.Linked && c.socket.unread(ctx, c.base)
}

// requestBuffer is a rendered request. It is reused.
type requestBuffer struct {
	out  []byte // head and body
	body []byte
}

// render renders d's request for op. An error means that a value cannot stand where it would; then nothing may be sent.
func (p *requestBuffer) render(d *driver, op *drivers.Op) error {
	if len(d.request.guarded) > 0 {
		if err := d.request.fits(p.out[:0], op); err != nil {
			return err
		}
	}
	p.body = d.request.appendBody(p.body[:0], op)
	p.out = d.request.appendHead(p.out[:0], d.layout, op, len(p.body))
	p.out = append(p.out, p.body...)
	return nil
}

// attempt sends the request by send and reads the answer. It keeps the connection if that can be used again. It
// returns errStale if nothing was sent.
func (s *session) attempt(ctx context.Context, now time.Duration, send func(*conn, context.Context, []byte) error) error {
	s.known, s.reader.headed = 0, false
	err := s.conn.begin(ctx, s.d.env.Epoch().Add(now))
	var early error
	if err == nil {
		early = send(s.conn, ctx, s.out)
		if early == errStale {
			s.conn.end()
			s.drop()
			return errStale
		}
		// The peer may have answered although sending failed: a refusal before the end of a large body.
		if rest := s.conn.takeRest(); len(rest) > 0 && early == nil {
			early, err = s.readWhileWriting(ctx, rest)
		} else {
			err = s.reader.read(ctx)
		}
	}
	if err != nil && early != nil && early != errEarly {
		err = early
	}
	again := s.conn.end()
	switch {
	case err != nil:
		err = s.reader.judge(s.examine(ctx, err))
	case s.saidUnasked(ctx):
		err = &unreadError{errUnasked}
	}
	if err != nil || early != nil || !again || s.answer.last || !s.d.reuse {
		s.drop()
	}
	return err
}

// readWhileWriting writes the rest of a request, and reads the answer at the same time. A peer may answer before the request is
// whole, and read no further. An answer that refuses the request, and an end of the connection, end the writing; early
// then says that the connection is of no further use.
func (s *session) readWhileWriting(ctx context.Context, rest []byte) (early, err error) {
	c := s.conn
	if c.stop == nil {
		if err := c.watch(ctx); err != nil {
			return nil, err
		}
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(rest)
		written <- err
	}()
	err = s.reader.read(ctx)
	s.known = s.d.env.Clock()
	if err != nil || s.answer.status >= 300 {
		_ = c.SetWriteDeadline(longAgo)
	}
	if early = <-written; errors.Is(early, os.ErrDeadlineExceeded) {
		early = errEarly
	}
	return early, err
}

func (s *session) drop() {
	s.conn.Close()
	s.conn, s.reader.c = nil, nil
}

// Close implements drivers.Session.
func (s *session) Close() error {
	if s.conn != nil {
		s.drop()
	}
	return nil
}
