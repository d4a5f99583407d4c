package runner

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A limit is what context.WithTimeout is, asked in whatever order.
func TestLimitIsAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancel(t.Context())
		defer cancel()
		fresh := func() *limit { return &limit{parent: parent, deadline: time.Now().Add(time.Second)} }

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
			t.Error("a limit with a child counts as unused")
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

// What waits with the keeper is called once: at its attempt's end, when its time is up or when the run ends, and not before.
func TestKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fly, cancel := context.WithCancel(t.Context())
		defer cancel()
		k := newKeeper(fly)
		defer k.close()
		began := time.Now()
		var called [5]atomic.Int64 // when, 0: not yet
		await := func(n int, l context.Context) (stop func() bool) {
			return l.(*limit).AfterFunc(func() { called[n].Store(int64(time.Since(began)) + 1) })
		}
		posts := make([]post, 5)
		attempt := func(n int, timeout time.Duration) context.Context {
			posts[n].keeper = k
			return posts[n].bound(fly, time.Now().Add(timeout))
		}
		late, early := attempt(0, time.Second), attempt(1, time.Second/2)
		await(0, late)
		await(1, early) // its deadline is before the one that the keeper waits for
		if stop := await(2, attempt(2, time.Second/4)); !stop() || stop() {
			t.Error("a wait is stopped once")
		}
		posts[2].end()
		again := attempt(2, time.Hour)
		if again != context.Context(posts[2].limit) || posts[2].limit.Err() != nil {
			t.Error("a limit that nobody holds does not serve again")
		}
		await(2, again)
		await(3, attempt(3, time.Hour))
		posts[3].end()
		if posts[3].limit != nil {
			t.Error("a limit that was waited for to the end serves again")
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
		await(4, attempt(4, time.Hour)) // begins after the run's end
		synctest.Wait()
		for _, n := range []int{2, 4} {
			if got := time.Duration(called[n].Load()) - 1; got != 2*time.Second {
				t.Errorf("attempt %d: called after %s, want at the run's end", n, got)
			}
		}
	})
}

// A second that waits, and one that asks for Done, get what context.WithDeadline gives.
func TestKeeperBesideTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKeeper(t.Context())
		defer k.close()
		p := post{keeper: k}
		ctx := p.bound(t.Context(), time.Now().Add(time.Second))
		var calls atomic.Int64
		for range 2 {
			ctx.(*limit).AfterFunc(func() {
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
		if p.end(); p.limit != nil {
			t.Error("a limit that was asked for Done serves again")
		}
	})
}

// BenchmarkLimit is what an attempt pays that its driver waits for, beside a context with a timer of its own.
func BenchmarkLimit(b *testing.B) {
	fly, cancel := context.WithCancel(b.Context())
	defer cancel()
	k := newKeeper(fly)
	defer k.close()
	nothing := func() {}
	b.Run("kept", func(b *testing.B) {
		p := post{keeper: k}
		b.ReportAllocs()
		for b.Loop() {
			ctx := p.bound(fly, time.Now().Add(time.Minute))
			ctx.(*limit).AfterFunc(nothing)()
			p.end()
		}
	})
	b.Run("timer", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ctx, cancel := context.WithDeadline(fly, time.Now().Add(time.Minute))
			context.AfterFunc(ctx, nothing)()
			cancel()
		}
	})
}
