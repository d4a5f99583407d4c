package rest

import (
	"context"
	"time"

	"wringer/drivers"
)

// session sends HTTP/1.1 requests over a connection of its own. It never resends: if the connection fails during a
// request, the attempt ends.
type session struct {
	d    *driver
	conn *conn // nil without a connection
	requestBuffer
	answer answer
	reader reader
}

// Do implements drivers.Session.
func (s *session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	if err := s.render(s.d, op); err != nil {
		unrendered(s.d.env, at, err)
		return
	}
	err := errStale
	if s.conn != nil && s.conn.hasDirect() {
		at.Sent = s.d.env.Clock()
		err = s.attempt(ctx, at.Sent, (*conn).exchange)
	}
	if err == errStale {
		if err := s.connect(ctx); err != nil {
			at.Done = s.d.env.Clock()
			unsent(ctx, at, err)
			return
		}
		at.Sent = s.d.env.Clock()
		err = s.attempt(ctx, at.Sent, (*conn).send)
	}
	at.Wire, at.Out = true, int64(len(s.body))
	s.settle(ctx, op, at, err)
}

// resume finishes an attempt that the loop began on the session's connection. rest is the unsent part of the request;
// failed is the error that ended sending. The connection's buffer holds the bytes of the answer received so far.
func (s *session) resume(ctx context.Context, op *drivers.Op, at *drivers.Attempt, rest []byte, failed error) {
	err := s.attempt(ctx, s.d.env.Clock(), func(c *conn, ctx context.Context, _ []byte) error {
		if failed != nil || len(rest) == 0 {
			return failed
		}
		return c.send(ctx, rest)
	})
	s.settle(ctx, op, at, err)
}

// settle sets the outcome of an attempt that was sent.
func (s *session) settle(ctx context.Context, op *drivers.Op, at *drivers.Attempt, err error) {
	at.Done = s.d.env.Clock()
	if err != nil {
		unanswered(ctx, at, err)
		return
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
		err = s.reader.read(ctx)
	}
	if err != nil && early != nil && early != errEarly {
		err = early
	}
	again := s.conn.end()
	if err != nil || early != nil || !again || s.answer.last || !s.d.reuse {
		s.drop()
	}
	return err
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
