package rest

import (
	"context"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
)

// loop carries plain requests on the goroutine that paces them, so that nobody else has to be woken up for one: it writes a
// request into an idle socket, and takes the answers that came when it wakes up for the next. When an answer arrived is told
// by the kernel's stamp, so that it does not matter when it is taken.
//
// All else is a session's, on a goroutine of its own: connections to be made, connections that are no sockets of the kernel's
// (links), requests that a socket does not take at once, answers that are long. Its connection joins the loop once it is idle.
type loop struct {
	d      *driver
	waker  waker
	events events
	// crowded is until when waits are the runtime's.
	crowded time.Duration

	mu      sync.Mutex
	now     time.Duration     // when the clock was last read
	looked  time.Duration     // all that had come by then was taken
	conns   map[int32]*polled // by descriptor
	flying  []*polled         // with an attempt under way
	idle    []*polled         // the last one back goes first, so that few connections carry what few can
	spare   []*session        // idle too
	soonest time.Duration     // no attempt ends by its deadline before
	stamped bool              // what came last had a stamp
	page    page
	answer  answer
	reader  reader
	all     sync.WaitGroup // attempts by sessions
}

// glance is up to how long an answer may wait to be taken, if it has a stamp: to wake up for it costs as much as to send it.
const glance = 250 * time.Microsecond

// Poller implements drivers.Polled: for requests in clear text over connections that stay open.
func (d *driver) Poller() (drivers.Poller, error) {
	if d.secure != nil || d.pool != nil || !d.reuse {
		return nil, nil
	}
	l := &loop{d: d, conns: make(map[int32]*polled), soonest: math.MaxInt64}
	l.reader = reader{j: d.judge, a: &l.answer, maxBody: d.maxBody, noBody: d.request.line.method == "HEAD"}
	return l, l.waker.open()
}

// Send implements drivers.Poller.
func (l *loop) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := flight{op: op, at: at, done: done, deadline: math.MaxInt64}
	if at.Timeout > 0 {
		f.deadline = at.Begun + at.Timeout
	}
	if p := l.free(); p != nil && ctx.Err() == nil {
		l.send(ctx, p, f)
		return
	}
	s := l.borrow(true)
	l.bySession(ctx, s, f, func(ctx context.Context) { s.Do(ctx, op, at) })
}

// fresh is how long a look at a connection stands.
const fresh = 50 * time.Microsecond

// free takes an idle connection that can carry a request; nil when there is none.
func (l *loop) free() *polled {
	for len(l.idle) > 0 {
		last := len(l.idle) - 1
		p := l.idle[last]
		l.idle = l.idle[:last]
		if l.now-max(l.looked, p.looked) < fresh || !p.stale() {
			return p
		}
		l.drop(p)
	}
	return nil
}

func (l *loop) send(ctx context.Context, p *polled, f flight) {
	l.page.render(l.d, f.op)
	l.now = l.d.env.Clock()
	f.at.Sent = l.now
	n, err := p.write(l.page.out)
	f.at.Wire, f.at.Out = true, int64(len(l.page.body))
	p.flight = f
	if err == nil && n == len(l.page.out) {
		l.soonest = min(l.soonest, f.deadline)
		p.place = len(l.flying)
		l.flying = append(l.flying, p)
		return
	}
	s := l.borrow(false)
	rest := l.page.out[n:]
	s.page, l.page = l.page, s.page
	l.hand(ctx, p, s, rest, err)
}

// borrow takes an idle session, one with a connection if there is one, or else one without; or makes one.
func (l *loop) borrow(connected bool) *session {
	connects := func(s *session) bool { return (s.conn != nil) == connected }
	i := slices.IndexFunc(l.spare, connects)
	if i < 0 && connected {
		i = len(l.spare) - 1
	}
	if i < 0 {
		return l.d.lane().(*session)
	}
	s := l.spare[i]
	l.spare = slices.Delete(l.spare, i, i+1)
	return s
}

// bySession has a session make an attempt.
func (l *loop) bySession(ctx context.Context, s *session, f flight, do func(context.Context)) {
	l.all.Go(func() {
		if f.deadline != math.MaxInt64 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithDeadline(ctx, l.d.env.Epoch().Add(f.deadline))
			defer cancel()
		}
		do(ctx)
		// Before the attempt counts as over, so that there are never more connections than attempts at once.
		l.giveBack(s)
		f.done()
	})
}

// giveBack takes back a session, and its connection into the loop if that can be polled.
func (l *loop) giveBack(s *session) {
	p := adopt(s)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = append(l.spare, s)
	if p == nil {
		return
	}
	if l.waker.watch(p.fd) != nil {
		p.close()
		return
	}
	l.conns[int32(p.fd)] = p
	l.idle = append(l.idle, p)
}

// hand gives a connection, with the attempt under way on it, to a session. rest of the request is not sent yet, and cannot be
// if that failed.
func (l *loop) hand(ctx context.Context, p *polled, s *session, rest []byte, failed error) {
	f := p.flight
	delete(l.conns, int32(p.fd))
	l.landed(p)
	l.waker.unwatch(p.fd)
	err := p.release(s)
	l.bySession(ctx, s, f, func(ctx context.Context) {
		if err != nil {
			s.settle(ctx, f.op, f.at, err)
			return
		}
		s.resume(ctx, f.op, f.at, rest, failed)
	})
}

// landed takes a connection from among those with an attempt under way, if it is one.
func (l *loop) landed(p *polled) {
	if p.place >= len(l.flying) || l.flying[p.place] != p {
		return
	}
	last := len(l.flying) - 1
	l.flying[p.place] = l.flying[last]
	l.flying[p.place].place = p.place
	l.flying = l.flying[:last]
}

// Await implements drivers.Poller.
func (l *loop) Await(ctx context.Context, d time.Duration) {
	now := l.wait(d)
	for n := len(l.events); n == len(l.events) && !l.few(ctx, now); {
		n = l.waker.poll(&l.events)
		for i := range l.events[:n] {
			l.ready(ctx, l.events[i].Fd)
		}
		if n < len(l.events) {
			l.mu.Lock()
			l.looked = now
			l.mu.Unlock()
		}
	}
	l.expire(ctx, now)
}

const (
	// fewest is up to how many attempts are under way where each is looked after by itself: to ask for what came on all
	// connections costs more than to find that nothing came on two.
	fewest = 2
	// sweep is how often all connections are looked at all the same.
	sweep = time.Millisecond
)

// few takes what came for the attempts under way, where they are few. false: all connections are to be looked at.
func (l *loop) few(ctx context.Context, now time.Duration) bool {
	l.mu.Lock()
	if len(l.flying) > fewest || now-l.looked >= sweep {
		l.mu.Unlock()
		return false
	}
	var over [fewest]flight
	n := 0
	for i := len(l.flying) - 1; i >= 0; i-- { // from the end: what is over makes room for the last
		p := l.flying[i]
		if f, ended := l.receive(ctx, p); ended {
			over[n] = f
			n++
		}
		p.looked = now
	}
	l.mu.Unlock()
	for _, f := range over[:n] {
		f.done()
	}
	return true
}

// crowding is how late a wait that the kernel ended goes on at most where there are processors to spare. The runtime puts what
// comes back from the kernel behind all else that wants one, and what its own timers wake up before: there a loop does
// better by these, coarse as they are.
const crowding = 10 * time.Millisecond

// wait waits for d, or less where an attempt would end by its deadline; and for answers, where these tell no time by themselves
// or the wait is long. It returns the time after it.
func (l *loop) wait(d time.Duration) time.Duration {
	l.mu.Lock()
	soonest, stamped := l.soonest, l.stamped
	l.mu.Unlock()
	now := l.d.env.Clock()
	d = min(d, patience, soonest-now)
	switch {
	case d <= 0:
		return l.woken(now, math.MaxInt64)
	case now < l.crowded:
		time.Sleep(min(d, time.Millisecond))
		return l.woken(l.d.env.Clock(), math.MaxInt64)
	case d <= glance && stamped:
		l.waker.sleep(d)
	default:
		l.waker.wait(d)
	}
	return l.woken(l.d.env.Clock(), now+d)
}

// woken takes note of the time, and whether that is late for a wait of the kernel's that was due then.
func (l *loop) woken(now, due time.Duration) time.Duration {
	if now-crowding > due {
		l.crowded = now + time.Second
	}
	l.mu.Lock()
	l.now = now
	l.mu.Unlock()
	return now
}

// ready takes what came on a connection.
func (l *loop) ready(ctx context.Context, fd int32) {
	l.mu.Lock()
	p := l.conns[fd]
	if p == nil { // the waker's own, or of a connection that went
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

// retire drops an idle connection that was closed, or brought what nobody asked for.
func (l *loop) retire(p *polled) {
	if p.stale() {
		l.idle = slices.DeleteFunc(l.idle, func(q *polled) bool { return q == p })
		l.drop(p)
	}
}

// receive takes what came for the attempt under way on p, and tells whether that is over.
func (l *loop) receive(ctx context.Context, p *polled) (f flight, over bool) {
	age, came := p.receive()
	now := l.d.env.Clock()
	if !came {
		return f, false
	}
	l.stamped = p.stamped
	l.reader.c = &p.conn
	err := p.parse(ctx, &l.reader)
	if err == errMore {
		if !p.room() {
			l.hand(ctx, p, l.borrow(false), nil, nil)
		}
		return f, false
	}
	f = p.flight
	// An answer was not there when it was looked for before.
	f.at.Done = max(f.at.Sent, l.looked, p.looked, now-age)
	l.settle(ctx, f, err)
	if err != nil || l.answer.last || p.conn.r != p.conn.w {
		l.drop(p)
		return f, true
	}
	p.flight, p.conn.r, p.conn.w = flight{}, 0, 0
	l.landed(p)
	l.idle = append(l.idle, p)
	return f, true
}

// settle says what became of an attempt.
func (l *loop) settle(ctx context.Context, f flight, err error) {
	if err != nil {
		unanswered(ctx, f.at, err)
		return
	}
	l.d.judge.decide(&l.answer, f.op, f.at)
}

// expire ends the attempts whose deadline has passed, and all of them when ctx has ended.
func (l *loop) expire(ctx context.Context, now time.Duration) {
	l.mu.Lock()
	if now < l.soonest && ctx.Err() == nil {
		l.mu.Unlock()
		return
	}
	l.soonest = math.MaxInt64
	var ended []flight
	for _, p := range l.conns {
		switch {
		case p.done == nil:
		case ctx.Err() != nil || now >= p.deadline:
			p.at.Done = now
			l.settle(ctx, p.flight, &net.OpError{Op: "read", Net: l.d.network, Err: os.ErrDeadlineExceeded})
			ended = append(ended, p.flight)
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
	l.landed(p)
	p.close()
}

// Close implements drivers.Poller.
func (l *loop) Close() error {
	l.all.Wait()
	for _, p := range l.conns {
		p.close()
	}
	for _, s := range l.spare {
		s.Close()
	}
	return l.waker.close()
}
