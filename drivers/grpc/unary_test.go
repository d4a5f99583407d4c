package grpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A unary call's context ends what is below it with the attempt, and its channel serves again when nothing was.
func TestUnaryIsAContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempt, cancel := context.WithTimeout(t.Context(), time.Second+time.Microsecond)
		defer cancel()
		done := make(chan struct{})

		quick := beginUnary(attempt, done)
		below, release := context.WithCancel(quick)
		if d, ok := quick.Deadline(); !ok || time.Until(d) != time.Second+wireStep {
			t.Errorf("%s go over the wire", time.Until(d))
		}
		if below.Value(callKey{}) != &quick.call || below.Value("other") != nil {
			t.Error("a value is lost")
		}
		release()
		if quick.end() != done {
			t.Error("the channel of a call that was over in time serves no more")
		}

		slow := beginUnary(attempt, done)
		below, release = context.WithCancel(slow)
		defer release()
		second := make(chan struct{})
		context.AfterFunc(slow, func() { close(second) })
		<-below.Done()
		<-slow.Done()
		<-second
		if !errors.Is(slow.Err(), context.DeadlineExceeded) || !errors.Is(below.Err(), context.DeadlineExceeded) {
			t.Errorf("the time was up: %v, below %v", slow.Err(), below.Err())
		}
		fresh := slow.end()
		if fresh == done {
			t.Error("a closed channel serves again")
		}

		late := beginUnary(attempt, fresh) // after the attempt's end
		below, release = context.WithCancel(late)
		defer release()
		<-below.Done()
		late.end()
	})
}

// What gRPC did not let go of is no reason to end the next call with it.
func TestUnaryLeftBehind(t *testing.T) {
	done := make(chan struct{})
	u := beginUnary(t.Context(), done)
	_, release := context.WithCancel(u)
	defer release()
	if u.end() == done {
		t.Error("a channel that somebody may wait for serves again")
	}
}
