package traffic

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// deadlineTimer calls the callbacks of attempt contexts: each at its attempt's deadline, and all when the run ends. A timer for
// each attempt would be made and stopped thousands of times a second. This one timer fires at the earliest deadline it knows,
// checks all contexts, and is set to the earliest deadline left. Safe for concurrent use.
type deadlineTimer struct {
	base time.Time
	// next is when the timer fires, in nanoseconds after base; math.MaxInt64 when it is not set.
	next atomic.Int64

	mu       sync.Mutex
	contexts map[*attemptContext]struct{}
	timer    *time.Timer // nil until the first callback
	closed   bool
	stop     func() bool
}

func newDeadlineTimer(ctx context.Context) *deadlineTimer {
	t := &deadlineTimer{base: time.Now(), contexts: make(map[*attemptContext]struct{})}
	t.next.Store(math.MaxInt64)
	t.stop = context.AfterFunc(ctx, t.fire)
	return t
}

// watch checks c from now on, until remove. The callback was registered on c before this call. So either a timer that fires
// earlier will find it, or we set the timer here.
func (t *deadlineTimer) watch(c *attemptContext) {
	deadline, known := c.setWatched()
	due := int64(deadline.Sub(t.base))
	if !known || due < t.next.Load() {
		t.add(c, due)
	}
	if c.parent.Err() != nil {
		c.check(time.Now()) // the run may have ended before the callback was registered
	}
}

func (t *deadlineTimer) add(c *attemptContext, due int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.contexts[c] = struct{}{}
	if due < t.next.Load() {
		t.set(due)
	}
}

// remove ends the checks of c.
func (t *deadlineTimer) remove(c *attemptContext) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.contexts, c)
}

// set sets the timer. The caller holds mu.
func (t *deadlineTimer) set(due int64) {
	if t.closed {
		return
	}
	t.next.Store(due)
	wait := time.Duration(due) - time.Since(t.base)
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.fire)
		return
	}
	t.timer.Reset(wait)
}

// fire calls every callback whose deadline has passed and sets the timer to the earliest deadline left.
func (t *deadlineTimer) fire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next.Store(math.MaxInt64)
	now, earliest := time.Now(), int64(math.MaxInt64)
	for c := range t.contexts {
		if deadline, waiting := c.check(now); waiting {
			earliest = min(earliest, int64(deadline.Sub(t.base)))
		}
	}
	if earliest != math.MaxInt64 {
		t.set(earliest)
	}
}

// close stops the timer. No attempt is under way any more.
func (t *deadlineTimer) close() {
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.timer != nil {
		t.timer.Stop()
	}
}

// attemptSlot makes the contexts of one worker's attempts, one after the other.
type attemptSlot struct {
	timer   *deadlineTimer
	context *attemptContext // reused for the next attempt; nil when there is none to reuse
}

// begin returns the context of the attempt that begins: ctx with a deadline.
func (s *attemptSlot) begin(ctx context.Context, deadline time.Time) context.Context {
	if s.context == nil {
		s.context = &attemptContext{parent: ctx, timer: s.timer}
	}
	s.context.begin(deadline)
	return s.context
}

// end ends the attempt's context. A context that a caller may still hold is not reused.
func (s *attemptSlot) end() {
	if s.context != nil && !s.context.end() {
		s.release()
	}
}

// release gives up the context.
func (s *attemptSlot) release() {
	if s.context != nil {
		s.timer.remove(s.context)
		s.context = nil
	}
}
