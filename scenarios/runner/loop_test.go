package runner

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
	"wringer/scenarios/runner/traffic"
)

// byLoop makes loops run the open model's operations of memory drivers.
var byLoop = false

// Poller implements drivers.Polled.
func (m *memory) Poller() (drivers.Poller, error) {
	if !byLoop {
		return nil, nil
	}
	return &memoryLoop{m: m, ended: make(chan func(), 1<<16)}, nil
}

// memoryLoop makes its attempts in goroutines, and completes them only when its user calls Await.
type memoryLoop struct {
	m        *memory
	ended    chan func()
	inFlight atomic.Int64
	awaiting atomic.Int64 // calls of Await at this time
	closed   atomic.Bool
}

func (l *memoryLoop) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	if l.closed.Load() {
		panic("sent after the end")
	}
	l.inFlight.Add(1)
	cancel := func() {}
	if at.Timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, at.Timeout)
	}
	go func() {
		l.m.do(ctx, &l.m.env, op, at)
		cancel()
		l.ended <- done
	}()
}

func (l *memoryLoop) Await(_ context.Context, d time.Duration) {
	if l.awaiting.Add(1) > 1 {
		panic("Await called twice at a time")
	}
	defer l.awaiting.Add(-1)
	timer := time.NewTimer(max(0, d))
	defer timer.Stop()
	select {
	case done := <-l.ended:
		l.over(done)
	case <-timer.C:
	}
	for len(l.ended) > 0 {
		l.over(<-l.ended)
	}
}

func (l *memoryLoop) over(done func()) {
	l.inFlight.Add(-1)
	done()
}

func (l *memoryLoop) Close() error {
	if l.closed.Swap(true) || l.inFlight.Load() != 0 {
		panic("closed twice, or over attempts under way")
	}
	return nil
}

// The rules for streams hold when a loop runs them.
func TestByLoop(t *testing.T) {
	byLoop, loopRates = true, traffic.LoopRates{To: 1e9}
	defer func() { byLoop, loopRates = false, traffic.LoopRates{} }()
	for name, test := range map[string]func(*testing.T){
		"honest": TestHonestTargetPasses, "frozen": TestFrozenTargetIsNotOmitted, "small cap": TestSmallInFlightCapDoesNotHideAFreeze,
		"dead": TestDeadTargetNeverPasses, "interrupt": TestInterruptKeepsWhatWasMeasured, "closed model": TestClosedModel,
		"retries": TestRetriesFollowThePolicy, "retry after": TestRetryAfter, "budget": TestRetryBudgetBoundsRetries,
		"deadline": TestDeadlineBoundsTheOperation, "outcomes": TestOutcomesOverride,
		"late": TestLateGeneratorIsTheLimit, "counts": TestCountsEqualTheTargetsOwn,
	} {
		t.Run(name, func(t *testing.T) {
			if name != "counts" && name != "frozen" {
				tier.Slow(t, "a test of the runner once more, by the loop")
			}
			test(t)
		})
	}
}
