package shop

import (
	"sync"
	"sync/atomic"
)

// gate holds back what comes to it while it is shut. The zero gate is open. Safe for concurrent use.
type pausePoint struct {
	mu sync.Mutex
	// lifted is closed when the gate opens again; nil while it is open.
	ended chan struct{}
	// met counts what came while it was shut.
	met atomic.Int64
}

// shut is idempotent, as lift is.
func (p *pausePoint) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = make(chan struct{})
	}
}

func (p *pausePoint) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended != nil {
		close(p.ended)
		p.ended = nil
	}
}

// state returns nil when the gate is open, else a channel that is closed when it opens.
func (p *pausePoint) paused() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// pass returns true once the gate is open, and false when gone is closed first.
func (p *pausePoint) wait(gone <-chan struct{}) bool {
	ended := p.paused()
	if ended == nil {
		return true
	}
	p.met.Add(1)
	for ; ended != nil; ended = p.paused() { // it may have been paused again meanwhile
		select {
		case <-ended:
		case <-gone:
			return false
		}
	}
	return true
}
