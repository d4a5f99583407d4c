package rest

import (
	"context"
	"errors"
	"time"

	"wringer/drivers"
)

// requester sends the requests of a stream that has several, or limits its connections. It has a session to each
// origin and sends one request at a time. A plain stream does not need it.
type requester struct {
	client   *client
	sessions map[*origin]*countedSession
}

// countedSession is a session with the age and use of its connection.
type countedSession struct {
	originSession
	plain   *session // nil for HTTP/2, whose pool counts the use of connections
	counted *conn
	life    life
}

// maxSessions bounds the connections that a requester keeps open, because redirects may lead to any origin.
const maxSessions = 16

func newRequester(cl *client) *requester {
	return &requester{client: cl, sessions: make(map[*origin]*countedSession)}
}

// attempt makes one attempt with the request of d, and follows redirects as far as the stream allows. The answer is
// valid until the next attempt, and only if this attempt was answered.
func (rq *requester) attempt(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	a := rq.send(ctx, d, op, at)
	if rq.client.redirects > 0 {
		a = rq.follow(ctx, d, op, at, a)
	}
	return a
}

// send makes one request.
func (rq *requester) send(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	s := rq.session(d)
	s.use(d)
	s.retire(rq.client)
	s.Do(ctx, op, at)
	s.countUse()
	return s.last()
}

func (rq *requester) session(d *driver) *countedSession {
	s := rq.sessions[d.origin]
	if s == nil {
		if len(rq.sessions) >= maxSessions {
			_ = rq.close()
		}
		s = &countedSession{originSession: d.openSession()}
		s.plain, _ = s.originSession.(*session)
		rq.sessions[d.origin] = s
	}
	return s
}

// retire closes a connection that has reached its limits.
func (s *countedSession) retire(cl *client) {
	if cl.limited() && s.plain != nil && s.plain.conn != nil && cl.over(&s.life) {
		s.plain.drop()
	}
}

// countUse counts a request on the session's connection.
func (s *countedSession) countUse() {
	if s.plain == nil || s.plain.conn == nil {
		return
	}
	if s.counted != s.plain.conn {
		s.counted, s.life = s.plain.conn, life{born: time.Now()}
	}
	s.life.used++
}

func (rq *requester) close() error {
	var all []error
	for o, s := range rq.sessions {
		all = append(all, s.Close())
		delete(rq.sessions, o)
	}
	return errors.Join(all...)
}

// rotation is the driver of a stream whose operations use the requests of several drivers in turn.
type rotation struct {
	*client
	drivers []*driver
}

// Session implements drivers.Driver.
func (t *rotation) Session() (drivers.Session, error) {
	return &rotationSession{requester: newRequester(t.client), drivers: t.drivers}, nil
}

// rotationSession is a session of a rotation.
type rotationSession struct {
	*requester
	drivers []*driver
}

// Do implements drivers.Session.
func (t *rotationSession) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	t.attempt(ctx, t.drivers[op.Seq%uint64(len(t.drivers))], op, at)
}

// Close implements drivers.Session.
func (t *rotationSession) Close() error { return t.close() }
