package traffic

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// attemptContext is the context of one attempt: the run's, with the attempt's deadline. Most attempts end long before their
// deadline, so the context is cheap to wait for. It makes a timer only when Done is called. One callback (AfterFunc) waits
// with the pool's deadlineTimer instead. Safe for concurrent use.
type attemptContext struct {
	parent context.Context
	timer  *deadlineTimer             // nil: AfterFunc makes a timer as well
	timed  atomic.Pointer[timedChild] // nil until the first call of Done

	mu       sync.Mutex
	deadline time.Time
	ended    bool
	watched  bool   // by timer
	callback func() // of AfterFunc, until it is called or stopped
	number   uint64 // of the callback: tells it from earlier ones
	called   bool   // a callback was called
}

// timedChild is a context with a timer of its own.
type timedChild struct {
	context.Context
	cancel context.CancelFunc
}

// begin makes c the context of a new attempt. The attempt before has released c.
func (c *attemptContext) begin(deadline time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline, c.ended = deadline, false
}

// child returns the context with a timer, and makes it at the first call.
func (c *attemptContext) child() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if timed := c.timed.Load(); timed != nil {
		return timed
	}
	timed := new(timedChild)
	timed.Context, timed.cancel = context.WithDeadline(c.parent, c.deadline)
	c.timed.Store(timed)
	if c.ended {
		timed.cancel()
	}
	return timed
}

// Deadline implements context.Context.
func (c *attemptContext) Deadline() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.parent.Deadline(); ok && d.Before(c.deadline) {
		return d, true
	}
	return c.deadline, true
}

// Done implements context.Context.
func (c *attemptContext) Done() <-chan struct{} { return c.child().Done() }

// Err implements context.Context.
func (c *attemptContext) Err() error {
	if timed := c.timed.Load(); timed != nil && timed.Err() != nil {
		return timed.Err()
	}
	// deadlineTimer may call the callback before the child's timer fires. So the deadline is compared with the clock too.
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.errAt(time.Now())
}

// errAt is Err without the child. The caller holds mu.
func (c *attemptContext) errAt(now time.Time) error {
	switch {
	case c.ended:
		return context.Canceled
	case c.parent.Err() != nil:
		return c.parent.Err()
	case !now.Before(c.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. It reaches the child, by which the context package recognizes a context of its own: a
// context derived from c then needs no goroutine.
func (c *attemptContext) Value(key any) any {
	if timed := c.timed.Load(); timed != nil {
		return timed.Value(key)
	}
	return c.parent.Value(key)
}

// AfterFunc is what context.AfterFunc calls on a context that is not the package's own. The first callback costs no timer when
// AfterFunc is called directly; context.AfterFunc calls Done too.
func (c *attemptContext) AfterFunc(f func()) (stop func() bool) {
	if c.timer != nil && c.timed.Load() == nil {
		if number := c.register(f); number > 0 {
			c.timer.watch(c)
			return func() bool { return c.unregister(number) }
		}
	}
	return context.AfterFunc(c.child(), f)
}

// register makes f the callback and numbers it, from 1. It returns 0 when there is a callback already or the attempt ended.
func (c *attemptContext) register(f func()) (number uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.callback != nil || c.ended {
		return 0
	}
	c.callback = f
	c.number++
	return c.number
}

// setWatched notes that the timer checks c from now on. It returns the deadline, and whether the timer did so before.
func (c *attemptContext) setWatched() (deadline time.Time, before bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, c.watched = c.watched, true
	return c.deadline, before
}

// unregister removes the callback of that number. It returns false when that callback was called or removed before.
func (c *attemptContext) unregister(number uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	pending := c.callback != nil && c.number == number
	if pending {
		c.callback = nil
	}
	return pending
}

// check calls the callback when the attempt's time is up. Otherwise it returns the deadline for which a callback waits.
func (c *attemptContext) check(now time.Time) (deadline time.Time, waiting bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.callback == nil {
		return time.Time{}, false
	}
	if c.errAt(now) == nil {
		return c.deadline, true
	}
	go c.callback()
	c.callback, c.called = nil, true
	return time.Time{}, false
}

// end ends the attempt and calls the callback that still waits. It reports whether c can be reused: no callback is pending or
// running, and no caller holds the channel from Done.
func (c *attemptContext) end() (reusable bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	reusable = c.callback == nil && !c.called
	if c.callback != nil {
		go c.callback()
		c.callback = nil
	}
	if timed := c.timed.Load(); timed != nil {
		timed.cancel()
		reusable = false
	}
	return reusable
}
