package amqp

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/drivers/expiry"
)

// channel is one sequence of publishes: they leave in the order in which they came. It outlives connections: each channel of a
// broker that it uses is an epoch.
type channel struct {
	driver      *Driver
	connection  *connection
	outstanding int
	owner       owner         // of the goroutine that reads the connection
	wake        chan struct{} // signals that something may be written

	mu        sync.Mutex
	waiting   []*publish
	sweepAt   int // the length of waiting at which cancelled publishes are removed
	epoch     *epoch
	refusal   error // why no epoch can be opened although the broker answers; nil: it can
	deadlines *expiry.Queue[*publish]
}

// leastSweep is the shortest queue that is searched for cancelled publishes.
const leastSweep = 4096

func (c *channel) signal() { notify(c.wake) }

// notify signals on a channel with room for one signal.
func notify(on chan struct{}) {
	select {
	case on <- struct{}{}:
	default: // a signal is pending already
	}
}

// put takes a publish. It does not block.
func (c *channel) put(p *publish) {
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	if len(c.waiting) >= max(leastSweep, c.sweepAt) {
		c.sweep()
	}
	if p.timed {
		c.deadlines.Insert(&p.expiry, p, p.deadline)
	}
	c.mu.Unlock()
	c.signal()
}

// sweep removes cancelled publishes, so that waiting is bounded by the attempts in flight. mu is held.
func (c *channel) sweep() {
	kept := c.waiting[:0]
	for _, p := range c.waiting {
		if p.stage.Load() != cancelled {
			kept = append(kept, p)
		}
	}
	clear(c.waiting[len(kept):])
	c.waiting = kept
	c.sweepAt = 2 * len(kept)
}

// run opens one epoch after another, and writes, until the driver is shut.
func (c *channel) run() {
	cautious := false
	for {
		w := c.connection.await()
		if w == nil {
			return
		}
		e, err := w.openEpoch(c)
		if err != nil {
			if refusedBy(err) {
				c.refuse(err)
			}
			select {
			case <-w.ended:
			case <-time.After(backoff):
			case <-c.driver.shutting:
				return
			}
			continue
		}
		e.cautious = cautious
		c.begin(e)
		c.serve(e)
		select {
		case <-e.ended:
		case <-c.driver.shutting:
			return
		}
		w.forget(e)
		c.mu.Lock()
		c.epoch, cautious = nil, e.wary
		c.mu.Unlock()
	}
}

func (c *channel) begin(e *epoch) {
	c.mu.Lock()
	c.epoch, c.refusal = e, nil
	c.mu.Unlock()
}

// refuse ends the waiting attempts: the broker would take none of them.
func (c *channel) refuse(why error) {
	c.mu.Lock()
	c.refusal = why
	c.mu.Unlock()
	c.rejectWaiting(why)
}

// rejectWaiting ends the attempts whose messages were not written.
func (c *channel) rejectWaiting(why error) {
	c.mu.Lock()
	all := c.waiting
	c.waiting = nil
	for _, p := range all {
		c.deadlines.Remove(&p.expiry)
	}
	c.mu.Unlock()
	for _, p := range all {
		if p.cancel() {
			c.driver.finish(p, 0, func() { neverLeft(p.at, why) })
		}
	}
}

// obstacle is why a message cannot be sent now and need not wait; nil: it can, or must wait.
func (c *channel) obstacle() error {
	c.mu.Lock()
	refusal := c.refusal
	c.mu.Unlock()
	if refusal != nil {
		return refusal
	}
	return c.connection.isDown()
}

// serve writes messages until the epoch is over or the driver is shut.
func (c *channel) serve(e *epoch) {
	confirm, mandatory, exchange := c.driver.config.confirm(), c.driver.config.mandatory(), c.driver.config.Exchange
	holding := false
	let := func(hold bool) {
		switch {
		case hold && !holding && confirm: // without confirms a message counts once it was written
			e.wire.hold()
		case !hold && holding:
			e.wire.release()
		}
		holding = hold && confirm
	}
	defer let(false)
	for {
		p := c.ready(e)
		if p == nil {
			let(false)
			if p = c.next(e); p == nil {
				return
			}
		}
		let(true)
		err := e.lib.Publish(exchange, p.key, mandatory, false, p.message)
		p.message.Body, p.message.Headers = nil, nil
		if err != nil {
			// A channel that the broker closed is over already. Otherwise nobody knows how much of the message was written.
			if !e.isOver() {
				e.wire.finish(brokenBy(err))
			}
			return
		}
		if !confirm {
			c.drop(e, p)
		}
	}
}

// ready takes a message that may be written now, and gives it the next delivery tag. It returns nil if there is none.
func (c *channel) ready(e *epoch) *publish {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.waiting) > 0 && e.mayWrite() {
		p := c.waiting[0]
		c.waiting[0] = nil
		c.waiting = c.waiting[1:]
		if p.claim(c.driver.env.Clock()) {
			e.open.add(p)
			return p
		}
	}
	return nil
}

// next waits for a message that may be written. It returns nil when the epoch is over.
func (c *channel) next(e *epoch) *publish {
	for {
		if p := c.ready(e); p != nil {
			return p
		}
		select {
		case <-c.wake:
		case <-e.ended:
			return nil
		case <-c.driver.shutting:
			return nil
		}
	}
}

// drop ends an attempt that awaits no confirm: it was written.
func (c *channel) drop(e *epoch, p *publish) {
	c.mu.Lock()
	e.open.take(e.open.written())
	c.deadlines.Remove(&p.expiry)
	c.mu.Unlock()
	c.driver.finish(p, 0, func() { p.answered(drivers.Acked, "", "") })
}

// expire ends an attempt whose context or deadline ended first.
func (c *channel) expire(p *publish, cause error) {
	left := !p.cancel()
	c.mu.Lock()
	c.deadlines.Remove(&p.expiry)
	blocked := c.epoch != nil && (c.epoch.blocked || c.epoch.paused)
	open := c.epoch != nil
	c.mu.Unlock()
	code, detail := drivers.CodeTimeout, "no confirm in time"
	if cause != context.DeadlineExceeded {
		code, detail = drivers.CodeCancelled, "the attempt was cancelled"
	}
	c.driver.finish(p, 0, func() {
		switch {
		case left:
			p.unanswered(code, detail)
		case blocked && code == drivers.CodeTimeout:
			p.at.Fail(drivers.Rejected, codeBlocked, "the message never left the client: the broker takes none for now")
		default:
			neverLeft(p.at, c.connection.isDown())
			if open || code == drivers.CodeCancelled {
				p.at.Code = code
			}
		}
	})
}

// runDeadlines ends attempts at their deadlines, until the driver is shut.
func (c *channel) runDeadlines() {
	c.deadlines.Run(c.driver.shutting, c.driver.env.Clock, func(p *publish) { c.expire(p, context.DeadlineExceeded) })
}

// remaining lists the publishes that were not confirmed.
func (c *channel) remaining() []*publish {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := append([]*publish(nil), c.waiting...)
	if c.epoch != nil {
		for _, p := range c.epoch.open.all {
			if p != nil {
				all = append(all, p)
			}
		}
	}
	return all
}
