package runner

import (
	"context"
	"sync"
	"time"
)

// limit is the context of one attempt: the run's, with the attempt's deadline. Most attempts end long before it and never
// wait for their context, so it makes its timer only when somebody asks for Done; until then it costs nothing. Safe for
// concurrent use.
type limit struct {
	parent   context.Context
	deadline time.Time

	mu     sync.Mutex
	armed  context.Context // nil until somebody waits
	disarm context.CancelFunc
	over   bool
}

// arm returns the context that tells when it is over.
func (l *limit) arm() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.armed == nil {
		l.armed, l.disarm = context.WithDeadline(l.parent, l.deadline)
		if l.over {
			l.disarm()
		}
	}
	return l.armed
}

// waited returns what arm made, nil when nobody asked.
func (l *limit) waited() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.armed
}

// Deadline implements context.Context.
func (l *limit) Deadline() (time.Time, bool) {
	if d, ok := l.parent.Deadline(); ok && d.Before(l.deadline) {
		return d, true
	}
	return l.deadline, true
}

// Done implements context.Context.
func (l *limit) Done() <-chan struct{} { return l.arm().Done() }

// Err implements context.Context.
func (l *limit) Err() error {
	l.mu.Lock()
	armed, over := l.armed, l.over
	l.mu.Unlock()
	switch {
	case armed != nil:
		return armed.Err()
	case over:
		return context.Canceled
	case l.parent.Err() != nil:
		return l.parent.Err()
	case !time.Now().Before(l.deadline):
		return context.DeadlineExceeded
	}
	return nil
}

// Value implements context.Context. It reaches what arm made, by which the context package knows one of its own: a child
// then costs no goroutine.
func (l *limit) Value(key any) any {
	if armed := l.waited(); armed != nil {
		return armed.Value(key)
	}
	return l.parent.Value(key)
}

// AfterFunc is what context.AfterFunc looks for in a context that is not the package's own.
func (l *limit) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(l.arm(), f) }

// end frees what waits. It reports whether nobody ever did: then nobody holds on to l, and it can serve again.
func (l *limit) end() (unused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.armed != nil {
		l.disarm()
	}
	return l.armed == nil
}
