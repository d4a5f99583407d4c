package runner

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
)

// pipeline carries flights by a driver whose attempts complete by themselves.
type pipeline struct {
	s      *stream
	fly    context.Context
	driver drivers.Pipeline
	send   sync.Mutex // one Send at a time, so that transmissions keep their order
	all    sync.WaitGroup
}

// heldUp is how long a Send takes at least that was held up, and did not just take its time.
const heldUp = time.Millisecond

func (p *pipeline) launch(f *flight, over func()) {
	p.all.Add(1)
	p.attempt(f, nil, over)
}

// ride carries a user's operations by the same pipeline. Each gets its number as it is sent: the order of a stream is that of
// its numbers, and users that drew theirs before they queued for the driver would show an order that nobody broke as broken.
func (p *pipeline) ride() (carry func(*flight), leave func()) {
	landed := make(chan struct{}, 1)
	over := func() { landed <- struct{}{} }
	return func(f *flight) {
		p.all.Add(1)
		p.attempt(f, p.s.next, over)
		<-landed
	}, func() {}
}

// attempt sends f once, and numbers it before when it has no number yet. It may block while the client's own buffer is full.
func (p *pipeline) attempt(f *flight, number func(*flight), over func()) {
	ready := p.s.ready(f, p.s.env.Clock())
	p.send.Lock()
	defer p.send.Unlock()
	if number != nil {
		number(f)
	}
	if !ready {
		p.land(f, over)
		return
	}
	began := p.s.env.Clock()
	defer func() {
		if now := p.s.env.Clock(); now-began > heldUp {
			p.s.unblocked.Store(int64(now))
		}
	}()
	p.driver.Send(p.fly, &f.op, &f.at, func() {
		now := f.land(&p.s.env, p.s.meaning)
		wait, again := p.s.policy.next(f, now)
		if !again {
			p.land(f, over)
			return
		}
		// done must not block: the wait and the next Send are a goroutine's of their own, at most one a flight.
		go func() {
			if !sleep(p.fly, wait) {
				p.land(f, over)
				return
			}
			p.attempt(f, nil, over)
		}()
	})
}

func (p *pipeline) land(f *flight, over func()) {
	p.s.finish(f)
	over()
	p.all.Done()
}

func (p *pipeline) wait() { p.all.Wait() }
