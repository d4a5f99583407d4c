package traffic

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// An attemptContext behaves like a context of context.WithTimeout, whatever is called first.
func TestAttemptContextIsAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		fresh := func() *attemptContext { return &attemptContext{parent: parent, deadline: time.Now().Add(time.Second)} }

		expired := fresh()
		<-time.After(time.Second)
		if !errors.Is(expired.Err(), context.DeadlineExceeded) {
			t.Errorf("expired and never waited for: %v", expired.Err())
		}
		<-expired.Done()

		waited := fresh()
		<-waited.Done()
		if !errors.Is(waited.Err(), context.DeadlineExceeded) || context.Cause(waited) != context.DeadlineExceeded {
			t.Errorf("waited for: %v, cause %v", waited.Err(), context.Cause(waited))
		}

		ended := fresh()
		if ended.Err() != nil || !ended.end() || !errors.Is(ended.Err(), context.Canceled) {
			t.Errorf("ended: %v", ended.Err())
		}
		<-ended.Done()

		called, child := make(chan struct{}), fresh()
		context.AfterFunc(child, func() { close(called) })
		below, stop := context.WithTimeout(child, time.Hour)
		defer stop()
		if child.end() {
			t.Error("a context with a child counts as reusable")
		}
		<-called
		<-below.Done()

		idle, watched := fresh(), fresh()
		done := watched.Done()
		cancel()
		if !errors.Is(idle.Err(), context.Canceled) {
			t.Errorf("the run's end: %v", idle.Err())
		}
		<-done
	})
}

// A callback is called once: at its attempt's end, at its deadline or at the run's end, and not before.
func TestDeadlineTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		run, cancel := context.WithCancel(t.Context())
		defer cancel()
		timer := newDeadlineTimer(run)
		defer timer.close()
		began := time.Now()
		var called [5]atomic.Int64 // when, 0: not yet
		await := func(n int, l context.Context) (stop func() bool) {
			return l.(*attemptContext).AfterFunc(func() { called[n].Store(int64(time.Since(began)) + 1) })
		}
		slots := make([]attemptSlot, 5)
		attempt := func(n int, timeout time.Duration) context.Context {
			slots[n].timer = timer
			return slots[n].begin(run, time.Now().Add(timeout))
		}
		late, soon := attempt(0, time.Second), attempt(1, time.Second/2)
		await(0, late)
		await(1, soon) // its deadline is before the one that the timer is set to
		if stop := await(2, attempt(2, time.Second/4)); !stop() || stop() {
			t.Error("a callback is stopped once")
		}
		slots[2].end()
		again := attempt(2, time.Hour)
		if again != context.Context(slots[2].context) || slots[2].context.Err() != nil {
			t.Error("a context that nobody holds is not reused")
		}
		await(2, again)
		await(3, attempt(3, time.Hour))
		slots[3].end()
		if slots[3].context != nil {
			t.Error("a context whose callback was called is reused")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		for n, want := range []time.Duration{time.Second, time.Second / 2, -1, 0, -1} {
			if got := time.Duration(called[n].Load()) - 1; got != want {
				t.Errorf("attempt %d: called after %s, want %s", n, got, want)
			}
		}
		if !errors.Is(late.Err(), context.DeadlineExceeded) {
			t.Errorf("its time was up: %v", late.Err())
		}
		cancel()
		synctest.Wait()                 // the timer has seen the run's end
		await(4, attempt(4, time.Hour)) // begins after it
		synctest.Wait()
		for _, n := range []int{2, 4} {
			if got := time.Duration(called[n].Load()) - 1; got != 2*time.Second {
				t.Errorf("attempt %d: called after %s, want at the run's end", n, got)
			}
		}
	})
}

// A context that is used again keeps nothing of the attempt before: an earlier deadline sets the timer anew, and a context whose
// callback was called at its deadline is given up.
func TestDeadlineTimerOfContextsUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := newDeadlineTimer(t.Context())
		defer timer.close()
		slot := attemptSlot{timer: timer}
		begun := time.Now()
		var called atomic.Int64 // when
		await := func(timeout time.Duration) (*attemptContext, func() bool) {
			c := slot.begin(t.Context(), time.Now().Add(timeout)).(*attemptContext)
			return c, c.AfterFunc(func() { called.Store(int64(time.Since(begun))) })
		}
		first, stop := await(time.Hour)
		stop()
		slot.end()
		if again, _ := await(time.Second); again != first {
			t.Fatal("a context that nobody holds is not reused")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := time.Duration(called.Load()); got != time.Second {
			t.Errorf("called after %s, want at the earlier deadline", got)
		}
		if slot.end(); slot.context != nil {
			t.Error("a context whose callback was called at its deadline is reused")
		}
	})
}

// The earlier of the two deadlines counts: the attempt's or its parent's.
func TestAttemptContextHasTheEarlierDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		soon, late := time.Now().Add(time.Second), time.Now().Add(time.Hour)
		for _, c := range [][2]time.Time{{soon, late}, {late, soon}} {
			parent, cancel := context.WithDeadline(t.Context(), c[0])
			defer cancel()
			child := &attemptContext{parent: parent, deadline: c[1]}
			if d, ok := child.Deadline(); !ok || !d.Equal(soon) {
				t.Errorf("of %v the deadline is %v", c, d)
			}
		}
	})
}

// A second callback, and a call of Done, get what context.WithDeadline gives.
func TestDeadlineTimerBesideDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		timer := newDeadlineTimer(t.Context())
		defer timer.close()
		p := attemptSlot{timer: timer}
		ctx := p.begin(t.Context(), time.Now().Add(time.Second))
		var calls atomic.Int64
		for range 2 {
			ctx.(*attemptContext).AfterFunc(func() {
				if calls.Add(1); ctx.Err() == nil {
					t.Error("called before its end")
				}
			})
		}
		below, cancel := context.WithCancel(ctx)
		defer cancel()
		<-below.Done()
		synctest.Wait()
		if calls.Load() != 2 || !errors.Is(below.Err(), context.DeadlineExceeded) {
			t.Errorf("%d of 2 called, the child says %v", calls.Load(), below.Err())
		}
		if p.end(); p.context != nil {
			t.Error("a context whose Done was called is reused")
		}
	})
}

// BenchmarkAttemptContext is the cost of an attempt whose driver waits for its context, beside a context with a timer of its own.
func BenchmarkAttemptContext(b *testing.B) {
	run, cancel := context.WithCancel(b.Context())
	defer cancel()
	timer := newDeadlineTimer(run)
	defer timer.close()
	nothing := func() {}
	b.Run("shared", func(b *testing.B) {
		p := attemptSlot{timer: timer}
		b.ReportAllocs()
		for b.Loop() {
			ctx := p.begin(run, time.Now().Add(time.Minute))
			ctx.(*attemptContext).AfterFunc(nothing)()
			p.end()
		}
	})
	b.Run("timer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithDeadline(run, time.Now().Add(time.Minute))
			context.AfterFunc(ctx, nothing)()
			cancel()
		}
	})
}
