package traffic

import (
	"slices"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/scenarios"
)

// policy decides whether an operation is tried again. Safe for concurrent use.
type policy struct {
	retry    *scenarios.Retry // nil: never
	deadline time.Duration    // of the operation, from its first attempt; 0: none
	seed     uint64
	budget   *budget // nil: none
}

func newPolicy(s *scenarios.Stream, seed uint64) *policy {
	p := &policy{retry: s.Retry, deadline: s.Deadline, seed: seed}
	if s.Retry != nil && s.Retry.Budget != nil {
		p.budget = newBudget(float64(*s.Retry.Budget))
	}
	return p
}

// offered counts an operation that begins. Each one earns a share of a retry.
func (p *policy) offered() {
	if p.budget != nil {
		p.budget.earn()
	}
}

// next reports whether op is tried again after its last attempt, and after which wait.
func (p *policy) next(op *operation, now time.Duration) (wait time.Duration, again bool) {
	last := &op.trail[len(op.trail)-1]
	if p.retry == nil || len(op.trail) >= p.retry.Attempts || last.Code == drivers.CodeCancelled || !p.retriable(last) {
		return 0, false
	}
	if op.unsent() != "" { // a later attempt would charge the target with the wait
		return 0, false
	}
	wait = p.retry.Wait(p.seed, op.op.Seq, len(op.trail))
	if p.retry.RetryAfter {
		if last.RetryAfter > scenarios.MaxRetryAfter {
			return 0, false
		}
		wait = max(wait, last.RetryAfter)
	}
	if p.deadline > 0 && now+wait >= op.begun+p.deadline {
		return 0, false
	}
	if p.budget != nil && !p.budget.spend() {
		return 0, false
	}
	return wait, true
}

// retriable reports whether an attempt may be followed by another. By default these may: an attempt that may or may not have
// taken effect, and one that never reached the wire. A rejection is final, unless the policy names its code.
func (p *policy) retriable(at *drivers.Attempt) bool {
	if at.Outcome == drivers.Acked {
		return false
	}
	if len(p.retry.On) > 0 {
		if strings.HasPrefix(at.Code, "http_") && slices.Contains(p.retry.On, drivers.ProxiedCode(at.Code)) {
			return true // a proxy's answer in the place of a gRPC target
		}
		return slices.Contains(p.retry.On, at.Code)
	}
	return at.Outcome == drivers.Indeterminate || !at.Wire
}

// timeout is the time that the next attempt of op may take.
func (p *policy) timeout(op *operation, now, attempt time.Duration) time.Duration {
	if p.deadline == 0 {
		return attempt
	}
	return min(attempt, op.begun+p.deadline-now)
}

// longest is the longest time that an operation can take.
func (p *policy) longest(attempt time.Duration) time.Duration {
	if p.retry == nil {
		return attempt
	}
	wait := p.retry.MaxBackoff
	if p.retry.RetryAfter {
		wait = max(wait, scenarios.MaxRetryAfter)
	}
	d := time.Duration(p.retry.Attempts) * (attempt + wait)
	if p.deadline > 0 {
		d = min(d, p.deadline)
	}
	return d
}

// budget is a token bucket: each operation earns a share of a retry, each retry costs one. It begins with a reserve. It holds at
// most the reserve and what 1,000 operations earn, so that a long calm does not pay for a storm. (After Finagle's RetryBudget.)
type budget struct {
	mu          sync.Mutex
	tokens      float64
	share, most float64
}

func newBudget(share float64) *budget {
	return &budget{tokens: scenarios.RetryBudgetReserve, share: share, most: scenarios.RetryBudgetReserve + 1000*share}
}

func (b *budget) earn() {
	b.mu.Lock()
	b.tokens = min(b.tokens+b.share, b.most)
	b.mu.Unlock()
}

func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
