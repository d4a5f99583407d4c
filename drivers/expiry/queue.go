// Package expiry ends what a driver has in flight: at its deadline, or when the context ends with which it was sent. A timer and a
// context for each message would cost as much as the send.
package expiry

import (
	"sync"
	"time"
)

// Entry is an item's place in a Queue, a field of the item. The zero value is in no queue.
type Entry[T any] struct {
	item       T
	at         time.Duration
	prev, next *Entry[T]
	queued     bool
}

// Queue holds items by their deadlines, the earliest first. The items of a stream have the same timeout, so a new one nearly always
// goes to the end. Insert and Remove are called while the lock of New is held; Run and due take it.
type Queue[T any] struct {
	lock        sync.Locker
	first, last *Entry[T]
	wakeAt      time.Duration // when due will be called next; 0: not planned
	sooner      chan struct{} // signals a deadline before wakeAt
}

// New returns an empty queue, which lock guards.
func New[T any](lock sync.Locker) *Queue[T] {
	return &Queue[T]{lock: lock, sooner: make(chan struct{}, 1)}
}

// Insert puts item behind every one whose deadline is not later. e is the item's own entry, and at its deadline on the run's clock.
func (q *Queue[T]) Insert(e *Entry[T], item T, at time.Duration) {
	e.item, e.at, e.queued = item, at, true
	after := q.last
	for after != nil && after.at > at {
		after = after.prev
	}
	e.prev = after
	if after == nil {
		e.next, q.first = q.first, e
	} else {
		e.next, after.next = after.next, e
	}
	if e.next == nil {
		q.last = e
	} else {
		e.next.prev = e
	}
	if q.wakeAt == 0 || at < q.wakeAt {
		q.wakeAt = at
		select {
		case q.sooner <- struct{}{}:
		default: // a signal is pending already
		}
	}
}

// Remove takes an item out, if the queue holds it.
func (q *Queue[T]) Remove(e *Entry[T]) {
	if !e.queued {
		return
	}
	if e.prev == nil {
		q.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		q.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	*e = Entry[T]{}
}

// due takes out the items whose deadline has come. wait is the time until the next deadline; more is false if there is none.
func (q *Queue[T]) due(now time.Duration) (due []T, wait time.Duration, more bool) {
	q.lock.Lock()
	defer q.lock.Unlock()
	for e := q.first; e != nil && e.at <= now; e = q.first {
		due = append(due, e.item)
		q.Remove(e)
	}
	q.wakeAt = 0
	if e := q.first; e != nil {
		q.wakeAt, wait, more = e.at, e.at-now, true
	}
	return due, wait, more
}

// Run calls expire for each item at its deadline, without the lock, until stop is closed. clock is the run's clock.
func (q *Queue[T]) Run(stop <-chan struct{}, clock func() time.Duration, expire func(T)) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-q.sooner:
		case <-stop:
			return
		}
		due, wait, more := q.due(clock())
		for _, item := range due {
			expire(item)
		}
		if more {
			timer.Reset(wait)
		}
	}
}
