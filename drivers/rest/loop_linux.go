package rest

import (
	"context"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
)

// loop sends plain requests on the goroutine that paces them, so that a request wakes up no other goroutine. It
// writes a request into an idle socket, and takes the answers when it wakes up for the next request. The kernel's
// timestamp dates an answer, so it does not matter when the answer is taken.
//
// Sessions on goroutines of their own do the rest: they make connections, use connections that are not sockets
// (links), send requests that a socket does not take at once, and read long answers. The connection of a session
// joins the loop once it is idle.
type loop struct {
	d      *driver
	epoll  epoll
	events events
	// busyUntil is the time until which the loop waits by runtime timers (see busyDelay).
	busyUntil time.Duration

	mu           sync.Mutex
	now          time.Duration     // the last reading of the clock
	looked       time.Duration     // all bytes that had arrived by then were taken
	conns        map[int32]*polled // by descriptor
	pending      []*polled         // connections with a pending request
	idle         []*polled         // last in, first out, so that a low rate uses few connections
	idleSessions []*session        // sessions without a pending request
	soonest      time.Duration     // the earliest deadline of a pending request
	stamped      bool              // the last bytes had a timestamp
	buffer       requestBuffer
	answer       answer
	reader       reader
	sessions     sync.WaitGroup // attempts made by sessions
}

// stampedWait is the longest time that a timestamped answer may wait in the socket. Waking up for the answer costs as
// much as sending the request.
const stampedWait = 250 * time.Microsecond

// Poller implements drivers.Polled. It polls requests in clear text over connections that stay open.
func (d *driver) Poller() (drivers.Poller, error) {
	if d.secure != nil || d.pool != nil || !d.reuse {
		return nil, nil
	}
	l := &loop{d: d, conns: make(map[int32]*polled), soonest: math.MaxInt64}
	l.reader = reader{evaluator: d.evaluator, a: &l.answer, maxBody: d.maxBody, noBody: d.request.line.method == "HEAD"}
	return l, l.epoll.open()
}

// Send implements drivers.Poller.
func (l *loop) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	if !l.begin(ctx, op, at, done) {
		done()
	}
}

// begin begins an attempt. It returns false if the attempt has ended at once.
func (l *loop) begin(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := pendingRequest{op: op, at: at, done: done, deadline: math.MaxInt64}
	if at.Timeout > 0 {
		f.deadline = at.Begun + at.Timeout
	}
	if p := l.free(); p != nil && ctx.Err() == nil {
		if err := l.buffer.render(l.d, op); err != nil {
			l.idle = append(l.idle, p)
			unrendered(l.d.env, at, err)
			return false
		}
		l.send(ctx, p, f)
		return true
	}
	s := l.borrow(true)
	l.bySession(ctx, s, f, func(ctx context.Context) { s.Do(ctx, op, at) })
	return true
}

// freshFor is how long the result of a look at a connection is trusted.
const freshFor = 50 * time.Microsecond

// free takes an idle connection that can carry a request; nil if there is none.
func (l *loop) free() *polled {
	for len(l.idle) > 0 {
		last := len(l.idle) - 1
		p := l.idle[last]
		l.idle = l.idle[:last]
		// What a look before the last answer found says nothing: the peer may have closed the connection with that answer.
		looked := max(l.looked, p.looked)
		if looked > p.conn.since && l.now-looked < freshFor || !p.stale() {
			return p
		}
		l.drop(p)
	}
	return nil
}

func (l *loop) send(ctx context.Context, p *polled, f pendingRequest) {
	l.now = l.d.env.Clock()
	f.at.Sent = l.now
	p.conn.base = p.socket.sent.Load()
	n, err := p.write(l.buffer.out)
	f.at.Wire, f.at.Out = true, int64(len(l.buffer.body))
	p.pendingRequest = f
	if err == nil && n == len(l.buffer.out) {
		l.soonest = min(l.soonest, f.deadline)
		p.place = len(l.pending)
		l.pending = append(l.pending, p)
		return
	}
	s := l.borrow(false)
	rest := l.buffer.out[n:]
	s.requestBuffer, l.buffer = l.buffer, s.requestBuffer
	l.passToSession(ctx, p, s, rest, err)
}

// borrow takes an idle session, preferably one with a connection if connected is set, or without one otherwise. It
// makes a session if it finds none.
func (l *loop) borrow(connected bool) *session {
	connects := func(s *session) bool { return (s.conn != nil) == connected }
	i := slices.IndexFunc(l.idleSessions, connects)
	if i < 0 && connected {
		i = len(l.idleSessions) - 1
	}
	if i < 0 {
		return l.d.openSession().(*session)
	}
	s := l.idleSessions[i]
	l.idleSessions = slices.Delete(l.idleSessions, i, i+1)
	return s
}

// bySession makes an attempt by a session, on a goroutine of its own.
func (l *loop) bySession(ctx context.Context, s *session, f pendingRequest, do func(context.Context)) {
	l.sessions.Go(func() {
		if f.deadline != math.MaxInt64 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, l.d.env.Epoch().Add(f.deadline))
			defer cancel()
		}
		do(ctx)
		// This precedes done, so that there are never more connections than concurrent attempts.
		l.giveBack(s)
		f.done()
	})
}

// giveBack takes back a session. Its connection joins the loop if the connection can be polled.
func (l *loop) giveBack(s *session) {
	p := adopt(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idleSessions = append(l.idleSessions, s)
	if p == nil {
		return
	}
	if l.epoll.watch(p.fd) != nil {
		p.close()
		return
	}
	l.conns[int32(p.fd)] = p
	l.idle = append(l.idle, p)
}

// passToSession moves a connection with its pending request to a session. rest is the unsent part of the request.
// failed is the error that ended sending.
func (l *loop) passToSession(ctx context.Context, p *polled, s *session, rest []byte, failed error) {
	f := p.pendingRequest
	delete(l.conns, int32(p.fd))
	l.removePending(p)
	l.epoll.unwatch(p.fd)
	err := p.release(s)
	l.bySession(ctx, s, f, func(ctx context.Context) {
		if err != nil {
			s.settle(ctx, f.op, f.at, err)
			return
		}
		s.resume(ctx, f.op, f.at, rest, failed)
	})
}

// removePending removes a connection from l.pending if it is there.
func (l *loop) removePending(p *polled) {
	if p.place >= len(l.pending) || l.pending[p.place] != p {
		return
	}
	last := len(l.pending) - 1
	l.pending[p.place] = l.pending[last]
	l.pending[p.place].place = p.place
	l.pending = l.pending[:last]
}

// ready handles the bytes that arrived on a connection.
func (l *loop) ready(ctx context.Context, fd int32) {
	l.mu.Lock()
	p := l.conns[fd]
	if p == nil { // the epoll's own timer, or a connection that was dropped
		l.mu.Unlock()
		return
	}
	if p.done == nil {
		l.retire(p)
		l.mu.Unlock()
		return
	}
	f, over := l.receive(ctx, p)
	l.mu.Unlock()
	if over {
		f.done()
	}
}

// retire drops an idle connection that the peer closed or sent unrequested bytes on.
func (l *loop) retire(p *polled) {
	if p.stale() {
		l.idle = slices.DeleteFunc(l.idle, func(q *polled) bool { return q == p })
		l.drop(p)
	}
}

// receive takes the bytes that arrived for the pending request of p. over reports whether the request has ended.
func (l *loop) receive(ctx context.Context, p *polled) (f pendingRequest, over bool) {
	age, came := p.receive()
	now := l.d.env.Clock()
	if !came {
		return f, false
	}
	l.stamped = p.stamped
	l.reader.c = &p.conn
	some := p.conn.w > 0
	err := p.parse(ctx, &l.reader)
	if err == errMore {
		if l.reader.refused || !p.room() { // the status may be enough, if the body does not end
			l.passToSession(ctx, p, l.borrow(false), nil, nil)
		}
		return f, false
	}
	if err != nil && !some { // perhaps the peer closed the connection before it got the request
		l.passToSession(ctx, p, l.borrow(false), nil, err)
		return f, false
	}
	if err == nil && l.answer.status == http.StatusRequestTimeout && l.answer.last { // perhaps it was meant for no request
		p.conn.r = 0
		l.passToSession(ctx, p, l.borrow(false), nil, nil)
		return f, false
	}
	f = p.pendingRequest
	// The answer arrived after the last look, which did not find it.
	f.at.Done = max(f.at.Sent, l.looked, p.looked, now-age)
	l.settle(ctx, f, l.reader.judge(err))
	if err != nil || l.answer.last || p.conn.r != p.conn.w {
		l.drop(p)
		return f, true
	}
	p.pendingRequest, p.conn.r, p.conn.w, p.conn.since = pendingRequest{}, 0, 0, now
	l.removePending(p)
	l.idle = append(l.idle, p)
	return f, true
}

// settle sets the outcome of an attempt.
func (l *loop) settle(ctx context.Context, f pendingRequest, err error) {
	if err != nil {
		unanswered(ctx, f.at, err)
		return
	}
	l.d.evaluator.decide(&l.answer, f.op, f.at)
}

// expire ends the attempts whose deadline has passed. It ends all attempts once ctx has ended.
func (l *loop) expire(ctx context.Context, now time.Duration) {
	l.mu.Lock()
	if now < l.soonest && ctx.Err() == nil {
		l.mu.Unlock()
		return
	}
	l.soonest = math.MaxInt64
	var ended []pendingRequest
	for _, p := range l.conns {
		switch {
		case p.done == nil:
		case ctx.Err() != nil || now >= p.deadline:
			p.at.Done = now
			l.settle(ctx, p.pendingRequest, &net.OpError{Op: "read", Net: l.d.network, Err: os.ErrDeadlineExceeded})
			ended = append(ended, p.pendingRequest)
			l.drop(p)
		default:
			l.soonest = min(l.soonest, p.deadline)
		}
	}
	l.mu.Unlock()
	for _, f := range ended {
		f.done()
	}
}

func (l *loop) drop(p *polled) {
	delete(l.conns, int32(p.fd))
	l.removePending(p)
	p.close()
}

// Close implements drivers.Poller.
func (l *loop) Close() error {
	l.sessions.Wait()
	for _, p := range l.conns {
		p.close()
	}
	for _, s := range l.idleSessions {
		s.Close()
	}
	return l.epoll.close()
}
