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
	if err := s.connect(ctx); err != nil {
		at.Done = s.d.env.Clock()
		unsent(ctx, at, err)
		return
	}
	s.render(op)
	at.Sent = s.d.env.Clock()
	at.Wire = true
	err := s.exchange(ctx)
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

// exchange sends the request and reads the answer, and keeps the connection when it can be used again.
func (s *session) exchange(ctx context.Context) error {
	err := s.conn.begin(ctx)
	var early error
	if err == nil {
		early = s.conn.send(ctx, s.out)
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
