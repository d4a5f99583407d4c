package kafka

import (
	"context"
	"time"
)

// queue holds the flights that have a deadline, the earliest first. A timer and a context for each of them would cost as
// much as sending it (BenchmarkDriver); the attempts of a stream have the same timeout, so that a new one nearly always
// belongs at the end. Guarded by flights.mu.
type queue struct{ first, last *flight }

// insert puts f behind every flight whose deadline is not later.
func (q *queue) insert(f *flight) {
	f.queued = true
	after := q.last
	for after != nil && after.deadline > f.deadline {
		after = after.prev
	}
	f.prev = after
	if after == nil {
		f.next, q.first = q.first, f
	} else {
		f.next, after.next = after.next, f
	}
	if f.next == nil {
		q.last = f
	} else {
		f.next.prev = f
	}
}

// remove takes f out, if it is in.
func (q *queue) remove(f *flight) {
	if !f.queued {
		return
	}
	if f.prev == nil {
		q.first = f.next
	} else {
		f.prev.next = f.next
	}
	if f.next == nil {
		q.last = f.prev
	} else {
		f.next.prev = f.prev
	}
	f.prev, f.next, f.queued = nil, nil, false
}

// due takes out the flights whose deadline has come, and returns how long the next one has left; false when there is none.
func (s *flights) due(now time.Duration) (due []*flight, wait time.Duration, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f := s.queue.first; f != nil && f.deadline <= now; f = s.queue.first {
		s.queue.remove(f)
		due = append(due, f)
	}
	s.wakeAt = 0
	if f := s.queue.first; f != nil {
		s.wakeAt, wait, more = f.deadline, f.deadline-now, true
	}
	return due, wait, more
}

// keepTime ends attempts at their deadlines, until the driver is closed.
func (d *Driver) keepTime() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-d.flights.sooner:
		case <-d.shutting:
			return
		}
		due, wait, more := d.flights.due(d.env.Clock())
		for _, f := range due {
			d.overdue(context.DeadlineExceeded, f)
		}
		if more {
			timer.Reset(wait)
		}
	}
}

// watch sees to it that the attempts sent with ctx end when it does. Attempts share their context, and the watch over it.
func (d *Driver) watch(ctx context.Context) {
	if latest := d.latest.Load(); latest != nil && *latest == ctx {
		return
	}
	d.watching.Lock()
	defer d.watching.Unlock()
	d.latest.Store(&ctx)
	if d.watched[ctx] != nil {
		return
	}
	d.watched[ctx] = context.AfterFunc(ctx, func() {
		d.watching.Lock()
		delete(d.watched, ctx)
		if latest := d.latest.Load(); latest != nil && *latest == ctx {
			d.latest.Store(nil)
		}
		d.watching.Unlock()
		for _, f := range d.flights.remaining() {
			if f.ctx == ctx {
				d.overdue(ctx.Err(), f)
			}
		}
	})
}

// unwatch ends the watch over every context.
func (d *Driver) unwatch() {
	d.watching.Lock()
	defer d.watching.Unlock()
	for _, stop := range d.watched {
		stop()
	}
	clear(d.watched)
}
