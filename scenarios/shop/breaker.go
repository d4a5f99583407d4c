package shop

import (
	"sync"
	"time"
)

const (
	breakerFailures = 10
	breakerSpan     = callTimeout
	breakerPause    = 500 * time.Millisecond
)

// breaker is a circuit breaker: after breakerFailures failures in a row, over breakerSpan at least, it lets nothing
// through for breakerPause, then one call to try; its failure opens it again. The span keeps a short stall of the
// machine, which ends all calls under way at one moment, from opening it. A nil breaker lets everything through. Safe
// for concurrent use.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	since    time.Time // of the first of them
	open     bool
	until    time.Time // when the open breaker lets the next call try
	trying   bool
}

// allow reports whether a call may go out. Each call that did is followed by one report.
func (b *breaker) allow() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return true
	}
	if b.trying || time.Now().Before(b.until) {
		return false
	}
	b.trying = true
	return true
}

func (b *breaker) report(ok bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trying = false
	if ok {
		b.failures, b.open = 0, false
		return
	}
	now := time.Now()
	if b.failures == 0 {
		b.since = now
	}
	b.failures++
	if b.failures >= breakerFailures && now.Sub(b.since) >= breakerSpan {
		b.open, b.until = true, now.Add(breakerPause)
	}
}
