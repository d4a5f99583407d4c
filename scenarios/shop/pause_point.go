package shop

import (
	"sync"
	"sync/atomic"
)

// gate holds back what comes to it while it is shut. The zero gate is open. Safe for concurrent use.
type gate struct {
	mu sync.Mutex
	// lifted is closed when the gate opens again; nil while it is open.
	lifted chan struct{}
	// met counts what came while it was shut.
	met atomic.Int64
}

// shut is idempotent, as lift is.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lifted == nil {
		g.lifted = make(chan struct{})
	}
}

func (g *gate) lift() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lifted != nil {
		close(g.lifted)
		g.lifted = nil
	}
}

// state returns nil when the gate is open, else a channel that is closed when it opens.
func (g *gate) state() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lifted
}

// pass returns true once the gate is open, and false when gone is closed first.
func (g *gate) pass(gone <-chan struct{}) bool {
	lifted := g.state()
	if lifted == nil {
		return true
	}
	g.met.Add(1)
	for ; lifted != nil; lifted = g.state() { // it may have been shut again meanwhile
		select {
		case <-lifted:
		case <-gone:
			return false
		}
	}
	return true
}
