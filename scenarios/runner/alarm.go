package runner

import (
	"context"
	"time"
)

// alarm waits for the next arrivals. A runtime timer may be a millisecond late, because the poller that it sleeps in
// counts whole ones; so it carries the long part of a wait, and a nap of the kernel's own clock the rest.
type alarm struct {
	timer *time.Timer
	nap   napper // nil: timers alone
}

// napper sleeps for a short while, exactly. It is not interrupted.
type napper interface {
	nap(d time.Duration) error
	close()
}

// newNapper opens what naps; nil where the system has nothing better than timers. Tests in virtual time replace it.
var newNapper = openNapper

const (
	// coarse is the part of a wait that a nap takes over from the timer: more than the timer is late by.
	coarse = 1500 * time.Microsecond
	// shortest bounds how often the sender wakes up. Arrivals closer together leave in a batch, the first of it so late;
	// waking for each would cost as much as sending it.
	shortest = 200 * time.Microsecond
)

// newAlarm returns an alarm; virtual: of timers alone.
func newAlarm(virtual bool) *alarm {
	a := &alarm{timer: time.NewTimer(0)}
	if !virtual {
		a.nap = newNapper()
	}
	if !a.timer.Stop() {
		<-a.timer.C
	}
	return a
}

func (a *alarm) close() {
	a.timer.Stop()
	if a.nap != nil {
		a.nap.close()
	}
}

// wait returns after d, or some time before: the caller looks at its clock and waits again. False when ctx ended.
func (a *alarm) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	if a.nap != nil && d <= 2*coarse {
		if a.nap.nap(max(d, shortest)) == nil {
			return ctx.Err() == nil
		}
		a.nap.close()
		a.nap = nil
	}
	if a.nap != nil {
		d -= coarse
	}
	a.timer.Reset(d)
	select {
	case <-a.timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		a.timer.Stop()
		return false
	}
}
