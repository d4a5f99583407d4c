package runner

import (
	"context"
	"errors"
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
