package rest

import (
	"context"

	"wringer/drivers"
)

// session sends HTTP/1.1 requests over a connection of its own. Nothing is ever resent: a connection that turns out dead
// under a request ends the attempt.
type session struct {
	d      *driver
	conn   *conn // nil while there is none
	out    []byte
	body   []byte
	answer answer
	reader reader
}

// Do implements drivers.Session.
func (s *session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	s.render(op)
	err := errStale
	if s.conn != nil && s.conn.takesTurns() {
		err = s.attempt(ctx, at, (*conn).exchange)
	}
	if err == errStale {
		if err := s.connect(ctx); err != nil {
			at.Done = s.d.env.Clock()
			unsent(ctx, at, err)
			return
		}
		err = s.attempt(ctx, at, (*conn).send)
	}
	at.Wire, at.Out = true, int64(len(s.body))
	at.Done = s.d.env.Clock()
	if err != nil {
		unanswered(ctx, at, err)
		return
	}
	s.d.judge.decide(&s.answer, op, at)
}

// connect sees to it that there is a connection, and that it was not closed while it was idle: nothing was sent on it
// since, so another one in its place is no attempt.
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

// render makes the request, head and body, ready in out.
func (s *session) render(op *drivers.Op) {
	r := s.d.request
	s.body = r.appendBody(s.body[:0], op)
	s.out = r.appendHead(s.out[:0], s.d.layout, op, len(s.body))
	s.out = append(s.out, s.body...)
}

// attempt sends the request by one of the connection's ways, reads the answer, and keeps the connection when it can be used
// again. errStale passes through: then nothing was sent.
func (s *session) attempt(ctx context.Context, at *drivers.Attempt, send func(*conn, context.Context, []byte) error) error {
	at.Sent = s.d.env.Clock()
	err := s.conn.begin(ctx, s.d.env.Epoch().Add(at.Sent))
	var early error
	if err == nil {
		early = send(s.conn, ctx, s.out)
		if early == errStale {
			s.conn.end()
			s.drop()
			return errStale
		}
		// What could not be sent may have been answered all the same: a refusal before the end of a large body.
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
