package kafka

import (
	"context"
	"time"
)

// queue holds the flights that have a deadline, the earliest first. A timer and a context for each of them would cost as
// much as sending it (BenchmarkDriver); the attempts of a stream have the same timeout, so that a new one nearly always
// belongs at the end. Guarded by flights.mu.
type deadlineQueue struct{ first, last *pendingRecord }

// insert puts f behind every flight whose deadline is not later.
func (q *deadlineQueue) insert(r *pendingRecord) {
	r.queued = true
	after := q.last
	for after != nil && after.deadline > r.deadline {
		after = after.prev
	}
	r.prev = after
	if after == nil {
		r.next, q.first = q.first, r
	} else {
		r.next, after.next = after.next, r
	}
	if r.next == nil {
		q.last = r
	} else {
		r.next.prev = r
	}
}

// remove takes f out, if it is in.
func (q *deadlineQueue) remove(r *pendingRecord) {
	if !r.queued {
		return
	}
	if r.prev == nil {
		q.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		q.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next, r.queued = nil, nil, false
}

// due takes out the flights whose deadline has come, and returns how long the next one has left; false when there is none.
func (p *pendingRecords) due(now time.Duration) (due []*pendingRecord, wait time.Duration, more bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for r := p.deadlines.first; r != nil && r.deadline <= now; r = p.deadlines.first {
		p.deadlines.remove(r)
		due = append(due, r)
	}
	p.wakeAt = 0
	if r := p.deadlines.first; r != nil {
		p.wakeAt, wait, more = r.deadline, r.deadline-now, true
	}
	return due, wait, more
}

// keepTime ends attempts at their deadlines, until the driver is closed.
func (d *Driver) runDeadlines() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-d.pending.sooner:
		case <-d.shutting:
			return
		}
		due, wait, more := d.pending.due(d.env.Clock())
		for _, r := range due {
			d.expire(context.DeadlineExceeded, r)
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
		for _, r := range d.pending.remaining() {
			if r.ctx == ctx {
				d.expire(ctx.Err(), r)
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
