package shop

import (
	"sync"
	"sync/atomic"
)

// pausePoint holds back its callers while it is paused. The zero value is not paused. Safe for concurrent use.
type pausePoint struct {
	mu sync.Mutex
	// ended is closed when the pause ends; nil while not paused.
	ended chan struct{}
	// held counts the callers that were held back.
	held atomic.Int64
}

// pause is idempotent, as resume is.
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

// paused returns nil while not paused; otherwise a channel that is closed when the pause ends.
func (p *pausePoint) paused() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// wait returns true once no pause is in force, and false if gone is closed first.
func (p *pausePoint) wait(gone <-chan struct{}) bool {
	ended := p.paused()
	if ended == nil {
		return true
	}
	p.held.Add(1)
	for ; ended != nil; ended = p.paused() { // it may have been paused again meanwhile
		select {
		case <-ended:
		case <-gone:
			return false
		}
	}
	return true
}
