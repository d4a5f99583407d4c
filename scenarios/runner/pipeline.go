package runner

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
)

// pipeline carries flights by a driver whose attempts complete by themselves, or whenever its loop is turned.
type pipeline struct {
	s      *stream
	fly    context.Context
	driver drivers.Pipeline // nil with a loop
	loop   drivers.Poller
	send   sync.Mutex // one Send at a time, so that transmissions keep their order
	all    sync.WaitGroup
}

// heldUp is how long a Send takes at least that was held up, and did not just take its time.
const heldUp = time.Millisecond

func (p *pipeline) launch(f *flight, over func()) {
	p.board(f, over)
	p.attempt(f, nil)
}

// ride carries a user's operations by the same pipeline. Each gets its number as it is sent: the order of a stream is that of
// its numbers, and users that drew theirs before they queued for the driver would show an order that nobody broke as broken.
func (p *pipeline) ride() (carry func(*flight), leave func()) {
	landed := make(chan struct{}, 1)
	over := func() { landed <- struct{}{} }
	return func(f *flight) {
		p.board(f, over)
		p.attempt(f, p.s.next)
		<-landed
	}, func() {}
}

// board takes a flight in. What the driver calls at the end of its attempts is made once for all of them.
func (p *pipeline) board(f *flight, over func()) {
	p.all.Add(1)
	f.over = over
	if f.done == nil {
		f.done = func() { p.ended(f) }
	}
}

// attempt sends f once, and numbers it before when it has no number yet. It may block while the client's own buffer is full.
func (p *pipeline) attempt(f *flight, number func(*flight)) {
	ready := p.s.ready(f, p.s.env.Clock())
	p.send.Lock()
	defer p.send.Unlock()
	if number != nil {
		number(f)
	}
	if !ready {
		p.land(f)
		return
	}
	if p.loop != nil {
		p.loop.Send(p.fly, &f.op, &f.at, f.done)
		return
	}
	began := p.s.env.Clock()
	p.driver.Send(p.fly, &f.op, &f.at, f.done)
	if now := p.s.env.Clock(); now-began > heldUp {
		p.s.unblocked.Store(int64(now))
	}
}

// ended takes an attempt that is over. It does not block: the wait for the next one and its Send are a goroutine's of their
// own, at most one a flight.
func (p *pipeline) ended(f *flight) {
	now := f.land(&p.s.env, p.s.meaning)
	wait, again := p.s.policy.next(f, now)
	if !again {
		p.land(f)
		return
	}
	go func() {
		if !sleep(p.fly, wait) {
			p.land(f)
			return
		}
		p.attempt(f, nil)
	}()
}

func (p *pipeline) land(f *flight) {
	over := f.over
	p.s.finish(f)
	over()
	p.all.Done()
}

func (p *pipeline) wait() {
	if p.loop == nil {
		p.all.Wait()
		return
	}
	landed := make(chan struct{})
	go func() {
		p.all.Wait()
		close(landed)
	}()
	for {
		select {
		case <-landed:
			return
		default:
			p.loop.Await(p.fly, coarse)
		}
	}
}

// turned is a loop that waits for arrivals.
type turned struct {
	loop drivers.Poller
	fly  context.Context
}

func (t turned) wait(admit context.Context, d time.Duration) bool {
	t.loop.Await(t.fly, d)
	return admit.Err() == nil
}

func (turned) close() {}
