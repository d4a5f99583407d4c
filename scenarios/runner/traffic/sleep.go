package traffic

import (
	"context"
	"time"
)

// sleeper waits for the next arrivals. A timer of the runtime may fire a millisecond late, because the runtime's poller counts
// whole milliseconds. So a timer takes the long part of a wait, and a timer of the kernel the rest.
type sleeper struct {
	timer   *time.Timer
	precise preciseSleeper // nil: the runtime's timer alone
}

// preciseSleeper sleeps for a short time, precisely. A sleep cannot be interrupted.
type preciseSleeper interface {
	sleep(d time.Duration) error
	close()
}

const (
	// preciseBelow is the part of a wait that a precise sleep takes over: more than the runtime's timer is late by.
	preciseBelow = 1500 * time.Microsecond
	// shortestSleep bounds how often the sender wakes up. Arrivals closer together are sent in a batch, the first of them late
	// by this much. Waking up for each would cost as much as sending it.
	shortestSleep = 200 * time.Microsecond
)

// newSleeper returns a sleeper. In virtual time it uses the runtime's timer alone.
func newSleeper(virtual bool) *sleeper {
	s := &sleeper{timer: time.NewTimer(0)}
	if !virtual {
		s.precise = openPreciseSleeper()
	}
	if !s.timer.Stop() {
		<-s.timer.C
	}
	return s
}

func (s *sleeper) close() {
	s.timer.Stop()
	if s.precise != nil {
		s.precise.close()
	}
}

// wait returns after d or some time before: the caller reads its clock and waits again. It returns false when ctx has ended.
func (s *sleeper) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	if s.precise != nil && d <= 2*preciseBelow {
		if s.precise.sleep(max(d, shortestSleep)) == nil {
			return ctx.Err() == nil
		}
		s.precise.close()
		s.precise = nil
	}
	if s.precise != nil {
		d -= preciseBelow
	}
	s.timer.Reset(d)
	select {
	case <-s.timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		s.timer.Stop()
		return false
	}
}

// sleep waits for d. It returns false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
