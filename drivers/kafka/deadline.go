package kafka

import (
	"context"
	"time"
)

// deadlineQueue holds the records that have a deadline, the earliest first. A timer and a context for each record would
// cost as much as sending it (BenchmarkDriver). The attempts of a stream have the same timeout, so a new record nearly
// always goes to the end. Guarded by pendingRecords.mu.
type deadlineQueue struct{ first, last *pendingRecord }

// insert puts r behind every record whose deadline is not later.
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

// remove takes r out, if the queue holds it.
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

// due takes out the records whose deadline has come. It returns the time until the next deadline; more is false if there is
// none.
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

// runDeadlines ends attempts at their deadlines, until the driver is closed.
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

// watch ends the attempts sent with ctx when ctx ends. Attempts share one context, and one watch.
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

// unwatch stops watching every context.
func (d *Driver) unwatch() {
	d.watching.Lock()
	defer d.watching.Unlock()
	for _, stop := range d.watched {
		stop()
	}
	clear(d.watched)
}
