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

func newRequester(f *client) *requester {
	return &requester{client: f, sessions: make(map[*origin]*countedSession)}
}

// attempt makes one attempt with the request of d, and follows redirects as far as the stream allows. The answer is
// valid until the next attempt, and only if this attempt was answered.
func (c *requester) attempt(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	a := c.send(ctx, d, op, at)
	if c.client.redirects > 0 {
		a = c.follow(ctx, d, op, at, a)
	}
	return a
}

// send makes one request.
func (c *requester) send(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	l := c.session(d)
	l.use(d)
	l.retire(c.client)
	l.Do(ctx, op, at)
	l.countUse()
	return l.last()
}

func (c *requester) session(d *driver) *countedSession {
	l := c.sessions[d.origin]
	if l == nil {
		if len(c.sessions) >= maxSessions {
			_ = c.close()
		}
		l = &countedSession{originSession: d.openSession()}
		l.plain, _ = l.originSession.(*session)
		c.sessions[d.origin] = l
	}
	return l
}

// retire closes a connection that has reached its limits.
func (l *countedSession) retire(f *client) {
	if f.limited() && l.plain != nil && l.plain.conn != nil && f.over(&l.life) {
		l.plain.drop()
	}
}

// countUse counts a request on the session's connection.
func (l *countedSession) countUse() {
	if l.plain == nil || l.plain.conn == nil {
		return
	}
	if l.counted != l.plain.conn {
		l.counted, l.life = l.plain.conn, life{born: time.Now()}
	}
	l.life.used++
}

func (c *requester) close() error {
	var all []error
	for o, l := range c.sessions {
		all = append(all, l.Close())
		delete(c.sessions, o)
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
