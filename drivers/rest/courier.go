package rest

import (
	"context"
	"errors"
	"time"

	"wringer/drivers"
)

// courier carries the requests of a stream that has several, or whose connections do not just stay open: it has a lane to
// each origin that it was at, and sends one request at a time. The plain stream does without.
type courier struct {
	fleet *fleet
	lanes map[*origin]*ridden
}

// ridden is a lane with what its connection has behind it.
type ridden struct {
	lane
	plain *session // nil for HTTP/2, whose connections the pool looks after
	on    *conn
	life  life
}

// maxLanes bounds the connections that a courier keeps open: redirects may lead anywhere.
const maxLanes = 16

func newCourier(f *fleet) *courier { return &courier{fleet: f, lanes: make(map[*origin]*ridden)} }

// carry makes one attempt with the request of d, and follows redirects as far as the stream allows. The answer is valid
// until the next, and only when the attempt was answered.
func (c *courier) carry(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	a := c.send(ctx, d, op, at)
	if c.fleet.redirects > 0 {
		a = c.follow(ctx, d, op, at, a)
	}
	return a
}

// send makes one request.
func (c *courier) send(ctx context.Context, d *driver, op *drivers.Op, at *drivers.Attempt) *answer {
	l := c.lane(d)
	l.turn(d)
	l.retire(c.fleet)
	l.Do(ctx, op, at)
	l.rode()
	return l.last()
}

func (c *courier) lane(d *driver) *ridden {
	l := c.lanes[d.origin]
	if l == nil {
		if len(c.lanes) >= maxLanes {
			_ = c.close()
		}
		l = &ridden{lane: d.lane()}
		l.plain, _ = l.lane.(*session)
		c.lanes[d.origin] = l
	}
	return l
}

// retire closes a connection that has had its time.
func (l *ridden) retire(f *fleet) {
	if f.limited() && l.plain != nil && l.plain.conn != nil && f.over(&l.life) {
		l.plain.drop()
	}
}

// rode takes note of a request on the lane's connection.
func (l *ridden) rode() {
	if l.plain == nil || l.plain.conn == nil {
		return
	}
	if l.on != l.plain.conn {
		l.on, l.life = l.plain.conn, life{born: time.Now()}
	}
	l.life.used++
}

func (c *courier) close() error {
	var all []error
	for o, l := range c.lanes {
		all = append(all, l.Close())
		delete(c.lanes, o)
	}
	return errors.Join(all...)
}

// tour is the driver of a stream whose operations take the requests of several drivers in turn.
type tour struct {
	*fleet
	drivers []*driver
}

// Session implements drivers.Driver.
func (t *tour) Session() (drivers.Session, error) {
	return &tourist{courier: newCourier(t.fleet), drivers: t.drivers}, nil
}

// tourist is a session of a tour.
type tourist struct {
	*courier
	drivers []*driver
}

// Do implements drivers.Session.
func (t *tourist) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	t.carry(ctx, t.drivers[op.Seq%uint64(len(t.drivers))], op, at)
}

// Close implements drivers.Session.
func (t *tourist) Close() error { return t.close() }
