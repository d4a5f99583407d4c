package expiry

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

type item struct {
	at    time.Duration
	entry Entry[*item]
}

// TestQueue: for any order of inserts and removals, due returns the items that are due, the earliest first.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := New[*item](new(sync.Mutex))
		in := make(map[*item]bool)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			i := &item{at: time.Duration(rapid.IntRange(-50, 50).Draw(t, "deadline"))}
			q.Insert(&i.entry, i, i.at)
			in[i] = true
			if rapid.Bool().Draw(t, "leave") {
				for i := range in {
					q.Remove(&i.entry)
					q.Remove(&i.entry) // a second time does nothing
					delete(in, i)
					break
				}
			}
		}
		now := time.Duration(rapid.IntRange(-60, 60).Draw(t, "now"))
		due, wait, more := q.due(now)
		last := time.Duration(-100)
		for _, i := range due {
			if i.at < last || i.at > now || !in[i] {
				t.Fatalf("deadline %d after %d at %d, in the queue: %t", i.at, last, now, in[i])
			}
			last = i.at
			delete(in, i)
		}
		next := time.Duration(1000)
		for i := range in {
			next = min(next, i.at)
		}
		if more != (len(in) > 0) || more && now+wait != next {
			t.Fatalf("more is %t with %d left, wait is %d, next at %d", more, len(in), wait, next)
		}
	})
}

// TestRun: each item expires at its deadline, though it was inserted after a later one.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		clock := func() time.Duration { return time.Since(begin) }
		var mu sync.Mutex
		q := New[*item](&mu)
		stop, got := make(chan struct{}), make(chan time.Duration, 3)
		go q.Run(stop, clock, func(i *item) {
			mu.Lock() // the lock is free
			defer mu.Unlock()
			got <- clock() - i.at
		})
		for _, at := range []time.Duration{time.Hour, time.Second, time.Minute} {
			synctest.Wait()
			i := &item{at: at}
			mu.Lock()
			q.Insert(&i.entry, i, i.at)
			mu.Unlock()
		}
		for range 3 {
			if late := <-got; late != 0 {
				t.Errorf("expired %v late", late)
			}
		}
		close(stop)
	})
}

// TestContexts: the end of a context is told once, however often it was watched, and never after Close.
func TestContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan context.Context, 10)
		c := NewContexts(func(ctx context.Context) { told <- ctx })
		one, endOne := context.WithCancel(t.Context())
		two, endTwo := context.WithCancel(t.Context())
		for range 2 {
			c.Watch(one)
			c.Watch(two)
			c.Watch(two)
		}
		endOne()
		synctest.Wait()
		c.Close()
		endTwo()
		synctest.Wait()
		if len(told) != 1 || <-told != one {
			t.Errorf("%d ends were told, want the first context's alone", len(told))
		}
	})
}
