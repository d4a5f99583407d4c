package rest

import (
	"context"
	"math"
	"time"
)

// Await implements drivers.Poller.
func (l *loop) Await(ctx context.Context, d time.Duration) {
	now := l.wait(d)
	for n := len(l.events); n == len(l.events) && !l.receiveFew(ctx, now); {
		n = l.epoll.poll(&l.events)
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
	// fewPending is the number of pending requests up to which each connection is read directly. One poll of all
	// connections costs more than two reads that find nothing.
	fewPending = 2
	// sweepInterval is how often all connections are polled even so.
	sweepInterval = time.Millisecond
)

// receiveFew reads the connections of the pending requests if these are few. It returns false if all connections have
// to be polled.
func (l *loop) receiveFew(ctx context.Context, now time.Duration) bool {
	l.mu.Lock()
	if len(l.pending) > fewPending || now-l.looked >= sweepInterval {
		l.mu.Unlock()
		return false
	}
	var over [fewPending]pendingRequest
	n := 0
	for i := len(l.pending) - 1; i >= 0; i-- { // backwards, because an ended request is replaced by the last one
		p := l.pending[i]
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

// busyDelay is the wake-up delay above which we assume that the CPUs are busy. A goroutine that returns from a
// blocking system call queues behind all runnable goroutines. One that a runtime timer wakes up does not. So on a
// busy machine the loop switches to runtime timers, although they are coarse.
const busyDelay = 10 * time.Millisecond

// wait waits for d, or until the earliest deadline. It also ends with an answer if the answers have no timestamps or
// d is long. It returns the time afterwards.
func (l *loop) wait(d time.Duration) time.Duration {
	l.mu.Lock()
	soonest, stamped := l.soonest, l.stamped
	l.mu.Unlock()
	now := l.d.env.Clock()
	d = min(d, maxUnwatched, soonest-now)
	switch {
	case d <= 0:
		return l.noteTime(now, math.MaxInt64)
	case now < l.busyUntil:
		time.Sleep(min(d, time.Millisecond))
		return l.noteTime(l.d.env.Clock(), math.MaxInt64)
	case d <= stampedWait && stamped:
		l.epoll.sleep(d)
	default:
		l.epoll.wait(d)
	}
	return l.noteTime(l.d.env.Clock(), now+d)
}

// noteTime records the time. If a wait in the kernel ended more than busyDelay after due, the loop switches to
// runtime timers.
func (l *loop) noteTime(now, due time.Duration) time.Duration {
	if now-busyDelay > due {
		l.busyUntil = now + time.Second
	}
	l.mu.Lock()
	l.now = now
	l.mu.Unlock()
	return now
}
