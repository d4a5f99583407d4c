package runner

import (
	"slices"
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

// offered tells the policy that an operation begins: it earns its share of a retry.
func (p *policy) offered() {
	if p.budget != nil {
		p.budget.earn()
	}
}

// next says whether f, whose last attempt has landed, is tried again, and after what wait.
func (p *policy) next(f *flight, now time.Duration) (wait time.Duration, again bool) {
	last := &f.trail[len(f.trail)-1]
	if p.retry == nil || len(f.trail) >= p.retry.Attempts || last.Code == drivers.CodeCancelled || !p.retriable(last) {
		return 0, false
	}
	wait = p.retry.Wait(p.seed, f.op.Seq, len(f.trail))
	if p.retry.RetryAfter {
		if last.RetryAfter > scenarios.MaxRetryAfter {
			return 0, false
		}
		wait = max(wait, last.RetryAfter)
	}
	if p.deadline > 0 && now+wait >= f.begun+p.deadline {
		return 0, false
	}
	if p.budget != nil && !p.budget.spend() {
		return 0, false
	}
	return wait, true
}

// retriable: what may be tried again. By default whatever may or may not have taken effect, and connections that were
// never made; an explicit rejection stands, unless the policy names its code.
func (p *policy) retriable(at *drivers.Attempt) bool {
	if at.Outcome == drivers.Acked {
		return false
	}
	if len(p.retry.On) > 0 {
		return slices.Contains(p.retry.On, at.Code)
	}
	return at.Outcome == drivers.Indeterminate || !at.Wire
}

// timeout is the time that the next attempt of f may take.
func (p *policy) timeout(f *flight, now, attempt time.Duration) time.Duration {
	if p.deadline == 0 {
		return attempt
	}
	return min(attempt, f.begun+p.deadline-now)
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

// budget is a token bucket: each operation earns a share of a retry, each retry costs one. It holds at most what 1,000
// operations earn, and the reserve with which it begins, so that a long calm does not pay for a storm. (Finagle's
// RetryBudget is the model.)
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
