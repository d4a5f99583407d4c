package traffic

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
)

// pipeline runs operations by a driver that completes attempts by itself, or by a loop that completes attempts in Await.
type pipeline struct {
	s      *Stream
	ctx    context.Context  // of the attempts
	driver drivers.Pipeline // nil with a loop
	loop   drivers.Poller
	send   sync.Mutex // one Send at a time keeps the order of transmissions
	open   sync.WaitGroup
}

// blockedSend is the time above which a Send counts as blocked by the client library.
const blockedSend = time.Millisecond

func (p *pipeline) start(op *operation, complete func()) {
	p.add(op, complete)
	p.attempt(op, nil)
}

// user runs a user's operations by the same pipeline. Each operation is numbered under the lock of Send, because checks of
// order take the numbers for the order of sending.
func (p *pipeline) user() (run func(*operation), done func()) {
	completed := make(chan struct{}, 1)
	complete := func() { completed <- struct{}{} }
	return func(op *operation) {
		p.add(op, complete)
		p.attempt(op, p.s.numberNext)
		<-completed
	}, func() {}
}

// add counts an operation as open. The function that the driver calls at the end of an attempt is made once and reused.
func (p *pipeline) add(op *operation, complete func()) {
	p.open.Add(1)
	op.complete = complete
	if op.done == nil {
		op.done = func() { p.ended(op) }
	}
}

// attempt sends op once. If number is not nil, op has no number yet and number gives it one. attempt may block while the
// client library's buffer is full.
func (p *pipeline) attempt(op *operation, number func(*operation)) {
	ready := p.s.prepare(op, p.s.env.Clock())
	p.send.Lock()
	defer p.send.Unlock()
	if number != nil {
		number(op)
	}
	if !ready {
		p.complete(op)
		return
	}
	if p.loop != nil {
		p.loop.Send(p.ctx, &op.op, &op.at, op.done)
		return
	}
	began := p.s.env.Clock()
	p.driver.Send(p.ctx, &op.op, &op.at, op.done)
	if now := p.s.env.Clock(); now-began > blockedSend {
		p.s.unblocked.Store(int64(now))
	}
}

// ended handles the end of an attempt. It does not block: a retry waits and sends in a goroutine of its own, at most one an
// operation.
func (p *pipeline) ended(op *operation) {
	now := op.endAttempt(&p.s.env, p.s.outcomes)
	wait, again := p.s.policy.next(op, now)
	if !again {
		p.complete(op)
		return
	}
	go func() {
		if !sleep(p.ctx, wait) {
			p.complete(op)
			return
		}
		p.attempt(op, nil)
	}()
}

func (p *pipeline) complete(op *operation) {
	complete := op.complete
	p.s.finish(op)
	complete()
	p.open.Done()
}

func (p *pipeline) wait() {
	if p.loop == nil {
		p.open.Wait()
		return
	}
	completed := make(chan struct{})
	go func() {
		p.open.Wait()
		close(completed)
	}()
	for {
		select {
		case <-completed:
			return
		default:
			p.loop.Await(p.ctx, preciseBelow)
		}
	}
}
