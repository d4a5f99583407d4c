package runner

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

func TestClosedModel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var most, now atomic.Int64
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			n := now.Add(1)
			most.Store(max(most.Load(), n))
			ack(ctx, at, 10*time.Millisecond)
			now.Add(-1)
		}}
		s := openStream("a", 0, m)
		s.Rate, s.Users, s.Think = nil, 5, 40*time.Millisecond
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 5 * time.Second}, []scenarios.Stream{s}, "a.rate > 90/s"), Options{})
		if total := run.Streams["a"].Total; total.Offered != 500 || most.Load() > 5 {
			t.Errorf("offered %d, at most %d at once: want 500 and 5", total.Offered, most.Load())
		}
		if run.Verdict != reports.Pass || run.Streams["a"].Model != "closed" {
			t.Errorf("verdict %s, model %s", run.Verdict, run.Streams["a"].Model)
		}
	})
}

// A run whose streams all have a number of operations is as long as these take, and its rates are over that time.
func TestOperationsEndTheRun(t *testing.T) {
	for name, want := range map[string]time.Duration{"counted": time.Second, "with a phase": 10 * time.Second} {
		bubble(t, func(t *testing.T) {
			m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
				ack(ctx, at, 50*time.Millisecond)
			}}
			s := openStream("a", 0, m)
			s.Rate, s.Users, s.Operations = nil, 5, 100
			sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{s}, "a.errors < 1%")
			if name != "counted" {
				sc.Phases = []scenarios.Phase{{Name: "late", At: 5 * time.Second, For: time.Second}}
			}
			run := mustRun(t, t.Context(), sc, Options{})
			length := time.Duration(run.DurationNS)
			if total := run.Streams["a"].Total; total.Offered != 100 || length < want || length > want+2*time.Second || run.Verdict != reports.Pass {
				t.Errorf("%s: offered %d in %s, %s (%s)", name, total.Offered, length, run.Verdict, run.Why)
			}
		})
	}
}

func TestRetriesFollowThePolicy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			at.Wire, at.Answered = true, true
			switch {
			case op.Seq%4 == 1 && at.Number < 3: // acked at the third attempt
				at.Fail(drivers.Indeterminate, "http_500", "")
			case op.Seq%4 == 2: // rejected: not tried again
				at.Fail(drivers.Rejected, "http_400", "")
			case op.Seq%4 == 3: // never acked
				at.Fail(drivers.Indeterminate, "http_500", "")
			default:
				at.Outcome = drivers.Acked
			}
		}}
		s := openStream("a", 40, m)
		s.Retry = &scenarios.Retry{Attempts: 4, Backoff: 10 * time.Millisecond, MaxBackoff: time.Second, Jitter: scenarios.JitterNone}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{s}, "a.amplification < 3"), Options{})
		got := run.Streams["a"].Total
		if got.Acked != 200 || got.Rejected != 100 || got.Indeterminate != 100 {
			t.Errorf("acked %d rejected %d indeterminate %d, want 200 100 100", got.Acked, got.Rejected, got.Indeterminate)
		}
		if want := int64(100 + 300 + 100 + 400); got.Attempts != want || got.Retries != want-400 {
			t.Errorf("attempts %d retries %d, want %d and %d", got.Attempts, got.Retries, want, want-400)
		}
		if got.Errors["http_500"] != 600 || got.Errors["http_400"] != 100 {
			t.Errorf("errors %v", got.Errors)
		}
	})
}

// A policy with retry_after waits as long as the target asks. A wait beyond the bound ends the operation.
func TestRetryAfter(t *testing.T) {
	for name, test := range map[string]struct {
		asked    time.Duration
		honoured bool
		attempts int64 // of each of 10 operations
		wait     time.Duration
	}{
		"kept to":         {2 * time.Second, true, 2, 2 * time.Second},
		"the longest":     {scenarios.MaxRetryAfter, true, 2, scenarios.MaxRetryAfter},
		"without measure": {1000 * time.Hour, true, 1, 0},
		"passed over":     {2 * time.Second, false, 2, 10 * time.Millisecond},
		"not asked for":   {0, true, 2, 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var mu sync.Mutex
				first, between := map[uint64]time.Duration{}, time.Duration(math.MaxInt64)
				m := &memory{do: func(_ context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
					mu.Lock()
					defer mu.Unlock()
					if at.Number == 1 {
						first[op.Seq] = env.Clock()
					} else {
						between = min(between, env.Clock()-first[op.Seq])
					}
					at.Wire, at.Answered = true, true
					at.Fail(drivers.Rejected, "http_429", "")
					at.RetryAfter = test.asked
				}}
				s := openStream("a", 10, m)
				s.Retry = &scenarios.Retry{Attempts: 2, Backoff: 10 * time.Millisecond, MaxBackoff: time.Second, Jitter: scenarios.JitterNone, On: []string{"http_429"}, RetryAfter: test.honoured}
				run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{s}, "a.errors < 1%"), Options{})
				total := run.Streams["a"].Total
				if run.Verdict != reports.Fail || total.Rejected != 10 || total.Attempts != 10*test.attempts {
					t.Errorf("verdict %s (%q), %d rejected, %d attempts", run.Verdict, run.Why, total.Rejected, total.Attempts)
				}
				if test.wait > 0 && (between < test.wait || between > test.wait+time.Millisecond) {
					t.Errorf("%s between two attempts, want %s", between, test.wait)
				}
			})
		})
	}
}

func TestRetryBudgetBoundsRetries(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(_ context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			at.Wire = true
			at.Fail(drivers.Indeterminate, drivers.CodeReset, "")
		}}
		share := drivers.Ratio(0.1)
		s := openStream("a", 100, m)
		s.Retry = &scenarios.Retry{Attempts: 4, Backoff: time.Millisecond, MaxBackoff: time.Second, Jitter: scenarios.JitterFull, Budget: &share}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{s}, "a.errors < 1%"), Options{})
		if got := run.Streams["a"].Total.Retries; got < 105 || got > 110 {
			t.Errorf("%d retries for 1000 operations, want the reserve of 10 and a tenth", got)
		}
	})
}

func TestDeadlineBoundsTheOperation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) { hang(ctx, at) }}
		s := openStream("a", 10, m)
		s.Timeout, s.Deadline = 300*time.Millisecond, time.Second
		s.Retry = &scenarios.Retry{Attempts: 100, Backoff: time.Millisecond, MaxBackoff: time.Millisecond, Jitter: scenarios.JitterNone}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 2 * time.Second}, []scenarios.Stream{s}, "a.errors < 1%"), Options{})
		if got := run.Streams["a"].Total; got.Attempts != 4*20 {
			t.Errorf("%d attempts of 20 operations, want 4 each within the deadline", got.Attempts)
		}
	})
}

func TestOutcomesOverride(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(_ context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			at.Wire, at.Answered = true, true
			at.Fail(drivers.Indeterminate, "http_503", "")
		}}
		s := openStream("a", 10, m)
		s.Outcomes = map[string][]string{"rejected": {"503"}}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{s}, "a.errors < 1%"), Options{})
		if got := run.Streams["a"].Total; got.Rejected != 10 {
			t.Errorf("rejected %d, want 10", got.Rejected)
		}
	})
}

// A client library blocks the sender, because the target takes nothing: the target is the cause. Arrivals that could not be
// sent count against it, and the load generator does not count as saturated.
func TestBackpressureIsTheTargets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var calls atomic.Int64
		s := openStream("a", 100, &memory{})
		s.Driver = &blockingPipeline{calls: &calls}
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{s}, "a.errors < 1%", "a.p50 < 1s"), Options{})
		total := run.Streams["a"].Total
		if run.Verdict != reports.Fail || run.Validity.Verdict != reports.Valid || total.DroppedByUs != 0 || total.Dropped < 190 {
			t.Errorf("verdict %s, validity %+v, dropped %d, ours %d", run.Verdict, run.Validity, total.Dropped, total.DroppedByUs)
		}
	})
}
