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

// breaker is a circuit breaker. It opens after breakerFailures failures in a row that span at least breakerSpan. While open
// it lets nothing through for breakerPause, then one trial call; if that call fails, the breaker opens again. The span
// prevents a short stall of the machine, which ends all calls in flight at once, from opening it. A nil breaker lets
// everything through. Safe for concurrent use.
type breaker struct {
	mu       sync.Mutex
	failures int       // in a row
	firstAt  time.Time // when the first of them happened
	open     bool
	until    time.Time // when the open breaker lets the trial call through
	trying   bool
}

// allow reports whether a call may be sent. The caller reports the result of each allowed call.
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
		b.firstAt = now
	}
	b.failures++
	if b.failures >= breakerFailures && now.Sub(b.firstAt) >= breakerSpan {
		b.open, b.until = true, now.Add(breakerPause)
	}
}
