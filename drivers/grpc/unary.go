package grpc

import (
	"context"
	"sync"
	"time"
)

// unary is the context of one unary call: the attempt's, at a smaller price. gRPC makes a context of its own below each call's and
// lets it go before the call returns, so there is one thing to end, and the channel that nobody holds any more serves the
// session's next call. Safe for concurrent use.
type unary struct {
	context.Context // the attempt's
	call            call
	request         request

	mu    sync.Mutex
	done  chan struct{}
	err   error
	wire  time.Time // Deadline, once asked
	taken bool      // gRPC's own context was made
	below func()    // ends it; nil when there is none to end
	stop  func() bool
}

// beginUnary makes a call's context. done is a channel that is open.
func beginUnary(attempt context.Context, done chan struct{}) *unary {
	u := &unary{Context: attempt, done: done}
	u.stop = afterFunc(attempt, u.expire)
	return u
}

// end ends the call, and returns the channel for the next one.
func (u *unary) end() (done chan struct{}) {
	stopped := u.stop()
	u.mu.Lock()
	defer u.mu.Unlock()
	if stopped && u.below == nil {
		return u.done
	}
	return make(chan struct{})
}

// expire ends what goes on, as the attempt's time is up or the run ends. Once is enough.
func (u *unary) expire() {
	u.mu.Lock()
	if u.err != nil {
		u.mu.Unlock()
		return
	}
	if u.err = u.Context.Err(); u.err == nil {
		u.err = context.Canceled
	}
	close(u.done)
	below := u.below
	u.below = nil
	u.mu.Unlock()
	if below != nil {
		below()
	}
}

// wireStep is what the time that goes over the wire is rounded up to. gRPC sends what is left of the deadline, and to the
// microsecond that is another header each time, which neither side's compression can keep.
const wireStep = time.Millisecond

// Deadline implements context.Context, for gRPC to send. The call itself ends at the attempt's own deadline.
func (u *unary) Deadline() (time.Time, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.wire.IsZero() {
		return u.wire, true
	}
	deadline, ok := u.Context.Deadline()
	if !ok {
		return deadline, false
	}
	now := time.Now()
	u.wire = now.Add((deadline.Sub(now) + wireStep - 1).Truncate(wireStep))
	return u.wire, true
}

// Done implements context.Context.
func (u *unary) Done() <-chan struct{} { return u.done }

// Err implements context.Context.
func (u *unary) Err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// Value implements context.Context.
func (u *unary) Value(key any) any {
	if key == (callKey{}) {
		return &u.call
	}
	return u.Context.Value(key)
}

// AfterFunc is what the context package asks for when gRPC makes its context. It costs little the first time.
func (u *unary) AfterFunc(f func()) (stop func() bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.taken || u.err != nil {
		return context.AfterFunc(u.Context, func() {
			u.expire() // f may ask for Err
			f()
		})
	}
	u.taken, u.below = true, f
	return u.release
}

// release reports whether gRPC's own context was still to be ended; it will not be.
func (u *unary) release() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	waited := u.below != nil
	u.below = nil
	return waited
}

// afterFunc is context.AfterFunc, without the channel that this asks for where a context knows a cheaper way.
func afterFunc(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface{ AfterFunc(func()) func() bool }); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}
