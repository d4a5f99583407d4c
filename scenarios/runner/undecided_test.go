package runner

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// impossible is a fault that cannot be injected.
type impossible struct{ recordingFault }

func (f *impossible) Open(faults.Env) (faults.Fault, error) { return f, nil }
func (f *impossible) Inject(context.Context) error          { return errors.New("exit status 1") }
func (f *impossible) Bite() faults.Bite                     { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

// lapsed is a fault that something else undid.
type lapsed struct{ recordingFault }

func (f *lapsed) Open(faults.Env) (faults.Fault, error) { return f, nil }
func (f *lapsed) Lapse() error                          { return errors.New("was not in force for 1s of its time") }
func (f *lapsed) Bite() faults.Bite                     { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

// A fault that never happened decides nothing, whichever way a gate on its windows points. Integrity stands all the same.
func TestFaultThatWasNotInForceDecidesNothing(t *testing.T) {
	gates := []string{"a.errors > 50% during dead", "a.errors < 1% during dead", "a.p99 < 1s during dead", "a.errors < 1% after dead",
		"a.recovery < 5s after dead", "a.rate > 1/s in every second during dead"}
	for name, config := range map[string]faults.Config{"inject failed": &impossible{}, "touched nothing": &nowhere{}, "lapsed": &lapsed{}, "came too late": &slowToBreak{breaker{inForce: new(atomic.Int64)}}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newLog()
				target := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
					ack(ctx, at, time.Millisecond)
				}}
				s := openStream("a", 20, target)
				s.Places = []scenarios.Place{{Kind: "log", Source: place{func() *ledgerLog { return log }}}}
				all := append([]string{"a.lost == 0 during dead"}, gates...)
				sc := scenario(t, scenarios.Timing{Duration: 12 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, all...)
				sc.Faults = []scenarios.Fault{{Name: "dead", At: 3 * time.Second, For: 2 * time.Second, Config: config}}
				run := mustRun(t, t.Context(), sc, Options{})
				if g := run.Gates[0]; g.Verdict != reports.Fail { // nothing reaches this log
					t.Errorf("%s: %s (%s)", g.Expr, g.Verdict, g.Why)
				}
				for _, g := range run.Gates[1:] {
					late := (name == "came too late" || name == "lapsed") && strings.Contains(g.Expr, "after dead")
					if !late && (g.Verdict != reports.Inconclusive || !strings.Contains(g.Why, "the fault was not in force")) {
						t.Errorf("%s: %s (%s)", g.Expr, g.Verdict, g.Why)
					}
				}
			})
		})
	}
}

// unhealed is a fault that the run cannot undo.
type unhealed struct {
	recordingFault
	on     faults.Place
	broken atomic.Bool
}

func (f *unhealed) On() faults.Place                      { return f.on }
func (f *unhealed) Open(faults.Env) (faults.Fault, error) { return f, nil }
func (f *unhealed) Inject(context.Context) error          { f.broken.Store(true); return nil }
func (f *unhealed) Heal(context.Context) error            { return errors.New("undo: exit status 1") }
func (f *unhealed) Bite() faults.Bite                     { return faults.Bite{Bit: true, Connections: -1, Bytes: -1} }

// What follows a fault that the run could not undo is the fault's doing. That a part of the target did not come back is the target's.
func TestFaultThatWasNotUndoneDecidesNothing(t *testing.T) {
	for part, want := range map[string]reports.Verdict{"": reports.Inconclusive, "x": reports.Fail} {
		bubble(t, func(t *testing.T) {
			f := &unhealed{on: faults.Place{Part: part}}
			target := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
				if ack(ctx, at, time.Millisecond); f.broken.Load() {
					at.Fail(drivers.Indeterminate, "http_503", "")
				}
			}}
			gates := []string{"a.errors < 1% after cut", "a.recovery < 5s after cut", "a.errors < 1% during later"}
			sc := scenario(t, scenarios.Timing{Duration: 18 * time.Second}, []scenarios.Stream{openStream("a", 20, target)}, gates...)
			sc.Faults = []scenarios.Fault{{Name: "cut", At: 3 * time.Second, For: 2 * time.Second, Config: f}}
			sc.Phases = []scenarios.Phase{{Name: "later", At: 14 * time.Second, For: 3 * time.Second}}
			run := mustRun(t, t.Context(), sc, Options{})
			for _, g := range run.Gates {
				if g.Verdict != want && g.Metric != "recovery" {
					t.Errorf("%q: %s: %s (%s)", part, g.Expr, g.Verdict, g.Why)
				}
			}
		})
	}
}

// After the steady-state stop no gate on a fault's window has held.
func TestGatesOfFaultsThatWereLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 20, failing(time.Second))},
			"a.errors < 1% during baseline", "a.errors < 100% during slow", "a.p99 < 10s after slow")
		sc.Faults = []scenarios.Fault{{Name: "slow", At: 4 * time.Second, For: time.Second, Config: &recordingFault{}}}
		run := mustRun(t, t.Context(), sc, Options{})
		for _, g := range run.Gates[1:] {
			if g.Verdict != reports.Inconclusive || !strings.Contains(g.Why, "the fault was not in force") {
				t.Errorf("%s: %s (%s)", g.Expr, g.Verdict, g.Why)
			}
		}
	})
}

// A stream of which nothing was answered was never healthy, and its gates are undecided. An answer of any status is alive.
func TestDeadTargetHasOneRule(t *testing.T) {
	status := func(outcome drivers.Outcome, code string) func(context.Context, *drivers.Attempt) {
		return func(_ context.Context, at *drivers.Attempt) {
			at.Wire, at.Answered = true, true
			at.Fail(outcome, code, "")
		}
	}
	for name, c := range map[string]struct {
		answer func(context.Context, *drivers.Attempt)
		exit   int
	}{
		"refused": {func(_ context.Context, at *drivers.Attempt) {
			at.Fail(drivers.Rejected, drivers.CodeRefused, "dial tcp: refused")
		}, reports.ExitInconclusive},
		"unresolvable": {func(_ context.Context, at *drivers.Attempt) { at.Fail(drivers.Rejected, drivers.CodeDNS, "") }, reports.ExitInconclusive},
		"hangs":        {hang, reports.ExitInconclusive},
		"reset": {func(_ context.Context, at *drivers.Attempt) {
			at.Wire = true
			at.Fail(drivers.Indeterminate, drivers.CodeReset, "")
		}, reports.ExitInconclusive},
		"cut behind the status": {func(_ context.Context, at *drivers.Attempt) {
			at.Wire, at.Partial = true, true
			at.Fail(drivers.Indeterminate, drivers.CodeClosed, "")
		}, reports.ExitFail},
		"all 503": {status(drivers.Indeterminate, "http_503"), reports.ExitFail},
		"all 404": {status(drivers.Rejected, "http_404"), reports.ExitFail},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) { c.answer(ctx, at) }}
				s := openStream("a", 20, m)
				s.Timeout = 100 * time.Millisecond
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{s, openStream("b", 20, prompt())},
					"a.errors < 1%", "a.within(1s) > 99%", "b.errors < 1%")
				run := mustRun(t, t.Context(), sc, Options{})
				if run.Exit != c.exit || run.Gates[2].Verdict != reports.Pass {
					t.Errorf("exit %d, want %d: %q", run.Exit, c.exit, run.Why)
				}
				if want := "60 of 60 attempts ended with refused (dial tcp: refused): start the target"; name == "refused" && !strings.Contains(run.Why[0], want) {
					t.Errorf("the cause is not told: %q", run.Why)
				}
			})
		})
	}
}

// brittle opens a few sessions, and then none.
type brittle struct {
	memory
	opened atomic.Int64
}

func (b *brittle) Open(context.Context, drivers.Env) (drivers.Driver, error) { return b, nil }

func (b *brittle) Session() (drivers.Session, error) {
	if b.opened.Add(1) > 3 {
		return nil, errors.New("no more sessions")
	}
	return b.memory.Session()
}

// A run that the harness ended blames the target for nothing.
func TestFailureOfTheHarnessDecidesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		target := &brittle{memory: memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, 100*time.Millisecond)
		}}}
		stream := openStream("a", 50, &target.memory)
		stream.Driver = target
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 5 * time.Second}, []scenarios.Stream{stream}, "a.acked > 200", "a.errors < 1%"), Options{})
		if run.Exit != reports.ExitHarness || run.Verdict != reports.Inconclusive || !strings.Contains(run.Gates[0].Why, "the harness failed") {
			t.Errorf("exit %d, %s: %q; %+v", run.Exit, run.Verdict, run.Why, run.Gates)
		}
	})
}
