package runner

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// limit is the context of one attempt: the run's, with the attempt's deadline. Most attempts end long before it, so waiting for it
// costs little or nothing: a timer is made only when somebody asks for Done, and one function that is to be called at its end
// (AfterFunc) waits with the crew's keeper. Safe for concurrent use.
type limit struct {
	parent context.Context
	keeper *keeper                 // nil: AfterFunc costs a timer too
	armed  atomic.Pointer[alarmed] // nil until somebody asks for Done

	mu       sync.Mutex
	deadline time.Time
	over     bool
	kept     bool   // the keeper looks after it
	call     func() // what AfterFunc was given, until it is called or stopped
	calls    uint64 // tells one call from those before
	called   bool   // it was made
}

// alarmed is a context that tells when it is over.
type alarmed struct {
	context.Context
	disarm context.CancelFunc
}

// begin makes l the context of an attempt. Nobody waits for what it was before.
func (l *limit) begin(deadline time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline, l.over = deadline, false
}

// arm returns the context that tells when it is over.
func (l *limit) arm() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if armed := l.armed.Load(); armed != nil {
		return armed
	}
	armed := new(alarmed)
	armed.Context, armed.disarm = context.WithDeadline(l.parent, l.deadline)
	l.armed.Store(armed)
	if l.over {
		armed.disarm()
	}
	return armed
}

// Deadline implements context.Context.
func (l *limit) Deadline() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d, ok := l.parent.Deadline(); ok && d.Before(l.deadline) {
		return d, true
	}
	return l.deadline, true
}

// Done implements context.Context.
func (l *limit) Done() <-chan struct{} { return l.arm().Done() }

// Err implements context.Context.
func (l *limit) Err() error {
	if armed := l.armed.Load(); armed != nil && armed.Err() != nil {
		return armed.Err()
	}
	// What the keeper calls may be here before the timer is.
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errAt(time.Now())
}

// errAt is Err without a timer, under mu.
func (l *limit) errAt(now time.Time) error {
	switch {
	case l.over:
		return context.Canceled
	case l.parent.Err() != nil:
		return l.parent.Err()
	case !now.Before(l.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. It reaches what arm made, by which the context package knows one of its own: a child
// then costs no goroutine.
func (l *limit) Value(key any) any {
	if armed := l.armed.Load(); armed != nil {
		return armed.Value(key)
	}
	return l.parent.Value(key)
}

// AfterFunc is what context.AfterFunc looks for in a context that is not the package's own. Asked directly it costs no timer
// for the first that waits: context.AfterFunc asks for Done too.
func (l *limit) AfterFunc(f func()) (stop func() bool) {
	if l.keeper != nil && l.armed.Load() == nil {
		if number := l.await(f); number > 0 {
			l.keeper.expect(l)
			return func() bool { return l.unawait(number) }
		}
	}
	return context.AfterFunc(l.arm(), f)
}

// await lets f wait, and numbers it from 1; 0 when another waits already, or the attempt is over.
func (l *limit) await(f func()) (number uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call != nil || l.over {
		return 0
	}
	l.call = f
	l.calls++
	return l.calls
}

// keep says that the keeper looks after l from now on, whether it did before, and until when the attempt may last.
func (l *limit) keep() (deadline time.Time, before bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.kept = l.kept, true
	return l.deadline, before
}

// unawait reports whether the call with that number was still to come; it will not.
func (l *limit) unawait(number uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	waited := l.call != nil && l.calls == number
	if waited {
		l.call = nil
	}
	return waited
}

// look calls what waits once the attempt's time is up, or says until when it waits.
func (l *limit) look(now time.Time) (deadline time.Time, waits bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.call == nil {
		return time.Time{}, false
	}
	if l.errAt(now) == nil {
		return l.deadline, true
	}
	go l.call()
	l.call, l.called = nil, true
	return time.Time{}, false
}

// end frees what waits. It reports whether nobody still does, was called, or ever asked for Done: then nobody holds on to l, and it
// can serve again.
func (l *limit) end() (unused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	unused = l.call == nil && !l.called
	if l.call != nil {
		go l.call()
		l.call = nil
	}
	if armed := l.armed.Load(); armed != nil {
		armed.disarm()
		unused = false
	}
	return unused
}
