package runner

import (
	"context"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// failing acks all operations except those from a time on.
func failing(from time.Duration) *memory {
	return &memory{do: func(ctx context.Context, env *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
		if env.Clock() >= from {
			at.Wire, at.Answered = true, true
			at.Fail(drivers.Indeterminate, "http_500", "")
			return
		}
		ack(ctx, at, 5*time.Millisecond)
	}}
}

// No fault is injected on a target that is not healthy, and the run neither passes nor fails.
func TestSteadyStateFirst(t *testing.T) {
	slow := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
		ack(ctx, at, 300*time.Millisecond)
	}}
	hung := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) { hang(ctx, at) }}
	for name, c := range map[string]struct {
		m       *memory
		gates   []string
		healthy bool
	}{
		"healthy":            {prompt(), []string{"a.errors < 1% during baseline", "a.p99 < 50ms during baseline", "a.rate >= 100/s during baseline"}, true},
		"slow":               {slow, []string{"a.p99 < 100ms during baseline"}, false},
		"slow in every":      {slow, []string{"a.p99 < 100ms during baseline in every second"}, false},
		"slow, nobody asked": {slow, []string{"a.p99 < 100ms"}, true},
		"failing":            {failing(time.Second), []string{"a.errors < 10% during baseline"}, false},
		"hung, nobody asked": {hung, []string{"a.errors < 100%"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 100, c.m)}, c.gates...)
				f := &recordingFault{}
				sc.Faults = []scenarios.Fault{
					{Name: "f", At: 4 * time.Second, For: time.Second, Config: f}, {Name: "g", At: 6 * time.Second, For: time.Second, Config: &recordingFault{}},
				}
				run := mustRun(t, t.Context(), sc, Options{})
				if c.healthy != (f.injected == 1) {
					t.Fatalf("injected %d times: %q", f.injected, run.Why)
				}
				if c.healthy {
					return
				}
				if run.Verdict != reports.Inconclusive || run.Exit != reports.ExitInconclusive || !strings.Contains(run.Why[0], "the target was not healthy before anything was broken: ") {
					t.Errorf("verdict %s, exit %d: %q", run.Verdict, run.Exit, run.Why)
				}
				if name == "hung, nobody asked" && !strings.Contains(run.Why[0], "attempts ended with timeout") {
					t.Errorf("the cause is not told: %q", run.Why)
				}
				// an operation under way may take its timeout
				if run.DurationNS > int64(4*time.Second+scenarios.DefaultTimeout)+1 {
					t.Errorf("it went on for %v", time.Duration(run.DurationNS))
				}
			})
		})
	}
}

// An aborted run heals, ends early, and is never a pass.
func TestAbort(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 60 * time.Second}, []scenarios.Stream{openStream("a", 10, failing(6*time.Second))}, "a.p50 < 1s during baseline")
		sc.Abort = []scenarios.Abort{{Gate: mustGate(t, "a.errors > 50%"), Seconds: 3}}
		f := &recordingFault{}
		sc.Faults = []scenarios.Fault{
			{Name: "f", At: 4 * time.Second, For: 50 * time.Second, Config: f}, {Name: "late", At: 55 * time.Second, For: time.Second, Config: &recordingFault{}},
		}
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict == reports.Pass || f.healed != 1 || run.DurationNS < int64(9*time.Second) || run.DurationNS > int64(11*time.Second) {
			t.Errorf("verdict %s after %v, healed %d", run.Verdict, time.Duration(run.DurationNS), f.healed)
		}
		if why := strings.Join(run.Why, "; "); !strings.Contains(why, "aborted: a.errors > 50%, in the second from 8 s") || strings.Contains(why, "late") {
			t.Errorf("why: %s", why)
		}
		for _, g := range run.Gates {
			if g.Verdict != reports.Pass {
				t.Errorf("%s: %s, %s", g.Expr, g.Verdict, g.Why)
			}
		}
		// The record holds the fault's effect until then; its later effect is not known.
		if got := run.Faults[0]; got.DetectionNS == nil || *got.DetectionNS != int64(2*time.Second) || got.Recovered != nil {
			t.Errorf("the fault is told as %+v", got)
		}
		if got := run.Faults[1]; got.PerStream != nil {
			t.Errorf("the fault that never came is told as %+v", got)
		}
	})
}

// A gate that was violated fails an aborted run.
func TestAbortedRunFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, failing(2*time.Second))}, "a.errors < 1%")
		sc.Abort = []scenarios.Abort{{Gate: mustGate(t, "a.errors > 50%"), Seconds: 1}}
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Fail || run.DurationNS > int64(5*time.Second) {
			t.Errorf("verdict %s after %v: %q", run.Verdict, time.Duration(run.DurationNS), run.Why)
		}
	})
}

// One bad second among good ones is no streak.
func TestAbortNeedsSecondsInARow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, env *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			if int(env.Clock()/time.Second)%2 == 1 {
				at.Fail(drivers.Rejected, "http_400", "")
				return
			}
			ack(ctx, at, time.Millisecond)
		}}
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 10, m)}, "a.errors < 60%")
		sc.Abort = []scenarios.Abort{{Gate: mustGate(t, "a.errors > 50%"), Seconds: 2}}
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

func mustGate(t *testing.T, expr string) scenarios.Gate {
	t.Helper()
	g, err := scenarios.ParseGate(expr, recordtest.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	return g
}
