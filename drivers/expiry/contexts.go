package expiry

import (
	"context"
	"sync"
	"sync/atomic"
)

// Contexts tells when a context ends with which something was sent. Attempts share one context, and one watch. Safe for concurrent
// use. Use NewContexts.
type Contexts struct {
	ended  func(context.Context)
	mu     sync.Mutex
	stops  map[context.Context]func() bool
	latest atomic.Pointer[context.Context] // one of stops, or nil; written while mu is held
}

// NewContexts returns a Contexts that calls ended once for each context that ends.
func NewContexts(ended func(context.Context)) *Contexts {
	return &Contexts{ended: ended, stops: make(map[context.Context]func() bool)}
}

// Watch waits for the end of ctx in the background. A context that is watched already costs no lock.
func (c *Contexts) Watch(ctx context.Context) {
	if latest := c.latest.Load(); latest != nil && *latest == ctx {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.latest.Store(&ctx)
	if c.stops[ctx] != nil {
		return
	}
	c.stops[ctx] = context.AfterFunc(ctx, func() {
		c.forget(ctx)
		c.ended(ctx)
	})
}

func (c *Contexts) forget(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.stops, ctx)
	if latest := c.latest.Load(); latest != nil && *latest == ctx {
		c.latest.Store(nil)
	}
}

// Close stops watching. A call of ended that has begun goes on.
func (c *Contexts) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stop := range c.stops {
		stop()
	}
	clear(c.stops)
}
