package runner

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHonestTargetPasses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, 3*time.Millisecond)
		}}
		sc := scenario(t, scenarios.Timing{Warmup: 2 * time.Second, Duration: 10 * time.Second, Drain: time.Second},
			[]scenarios.Stream{openStream("a", 100, m)}, "a.p99 < 5ms", "a.errors == 0", "a.rate > 99/s in every second")
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Pass || run.Exit != 0 {
			t.Fatalf("verdict %s, exit %d: %q", run.Verdict, run.Exit, run.Why)
		}
		total := run.Streams["a"].Total
		if total.Offered != 1000 || total.Acked != 1000 || total.Attempts != 1000 {
			t.Errorf("offered %d, acked %d, attempts %d, want 1000 each", total.Offered, total.Acked, total.Attempts)
		}
		if n := len(run.Streams["a"].Seconds); n != 10 {
			t.Errorf("%d seconds, want 10", n)
		}
	})
}

// A target frozen from 5 s to 7 s in 12 s at 100/s: the operations due in the freeze wait from 2 s down to 0. The
// arithmetic truth is p99 = 1.88 s.
func frozen() *memory {
	return &memory{do: func(ctx context.Context, env *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
		if now := env.Clock(); now >= 5*time.Second && now < 7*time.Second {
			ack(ctx, at, 7*time.Second-now)
			return
		}
		ack(ctx, at, time.Millisecond)
	}}
}

func TestFrozenTargetIsNotOmitted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 12 * time.Second}, []scenarios.Stream{openStream("a", 100, frozen())}, "a.p99 < 1s")
		run := mustRun(t, t.Context(), sc, Options{})
		p99 := *run.Streams["a"].Total.Response.P99 / 1e9
		if math.Abs(p99-1.88) > 0.03*1.88 {
			t.Errorf("p99 is %.3f s, want 1.88 s", p99)
		}
		if run.Verdict != reports.Fail {
			t.Errorf("verdict %s, want fail", run.Verdict)
		}
	})
}

func TestSmallInFlightCapDoesNotHideAFreeze(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := openStream("a", 100, frozen())
		s.MaxInFlight = 4
		sc := scenario(t, scenarios.Timing{Duration: 12 * time.Second}, []scenarios.Stream{s}, "a.p99 < 1s", "a.acked.p99 < 1s", "a.errors < 1%")
		run := mustRun(t, t.Context(), sc, Options{})
		total := run.Streams["a"].Total
		if total.Dropped < 190 || total.DroppedByUs != 0 || total.Response.P99 != nil {
			t.Errorf("dropped %d (ours %d), p99 %v: want about 195, none ours, no answer", total.Dropped, total.DroppedByUs, total.Response.P99)
		}
		if run.Verdict != reports.Fail || run.Gates[0].Verdict != reports.Fail || run.Gates[2].Verdict != reports.Fail {
			t.Errorf("verdict %s, gates %+v: want fail", run.Verdict, run.Gates)
		}
	})
}

func TestDeadTargetNeverPasses(t *testing.T) {
	answers := map[string]func(context.Context, *drivers.Attempt){
		"refused": func(_ context.Context, at *drivers.Attempt) { at.Fail(drivers.Rejected, drivers.CodeRefused, "") },
		"hangs":   hang,
		"silent":  func(context.Context, *drivers.Attempt) {},
	}
	for name, answer := range answers {
		for _, gate := range []string{"a.p99 < 1s", "a.errors < 1%", "a.within(1s) > 99%", "a.rate > 1/s", "a.acked.p99 < 1s", "a.max < 10s", "a.mean < 10s"} {
			t.Run(name+" "+strings.ReplaceAll(gate, "/", " per "), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					m := &memory{do: func(ctx context.Context, _ *drivers.Env, _ *drivers.Op, at *drivers.Attempt) { answer(ctx, at) }}
					s := openStream("a", 20, m)
					s.Timeout = 100 * time.Millisecond
					run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 3 * time.Second}, []scenarios.Stream{s}, gate), Options{})
					if run.Verdict == reports.Pass {
						t.Errorf("%s passed: %+v", gate, run.Gates)
					}
				})
			})
		}
	}
}

func TestNothingExpectedIsInconclusive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, frozen())}), Options{})
		if run.Verdict != reports.Inconclusive || run.Exit != reports.ExitInconclusive {
			t.Errorf("verdict %s, exit %d", run.Verdict, run.Exit)
		}
	})
}

func TestUnreachableTargetIsInconclusive(t *testing.T) {
	m := &memory{open: errors.Join(drivers.ErrUnreachable, errors.New("nobody there"))}
	run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("b", 10, prompt()), openStream("a", 10, m)}, "a.errors < 1%"), Options{})
	if run.Verdict != reports.Inconclusive || run.Gates[0].Verdict != reports.Inconclusive {
		t.Errorf("verdict %s, gates %+v", run.Verdict, run.Gates)
	}
}

func TestScenarioErrorLeavesNothing(t *testing.T) {
	dir := t.TempDir() + "/record"
	m := &memory{open: errors.Join(drivers.ErrConfig, errors.New("no such method"))}
	_, err := Run(t.Context(), scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, m)}), Options{Dir: dir})
	if !errors.Is(err, ErrScenario) {
		t.Errorf("error is %v, want a scenario error", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the record's folder was left: %v", err)
	}
}

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		m := &memory{do: func(ctx context.Context, env *drivers.Env, _ *drivers.Op, at *drivers.Attempt) {
			if env.Clock() > 4*time.Second {
				hang(ctx, at)
				return
			}
			ack(ctx, at, time.Millisecond)
		}}
		time.AfterFunc(5500*time.Millisecond, cancel)
		sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second}, []scenarios.Stream{openStream("a", 10, m)}, "a.errors < 50%")
		run := mustRun(t, ctx, sc, Options{})
		if run.Exit != reports.ExitInterrupted || run.Verdict == reports.Pass {
			t.Errorf("exit %d, verdict %s", run.Exit, run.Verdict)
		}
		total := run.Streams["a"].Total
		if total.Offered < 54 || total.Offered > 56 || total.Indeterminate < 13 {
			t.Errorf("offered %d, indeterminate %d: want about 55 and 14", total.Offered, total.Indeterminate)
		}
	})
}

// What the interrupt itself ended is no evidence against the target. What is violated without it stays violated.
func TestInterruptLeavesGatesOpen(t *testing.T) {
	slow := func(_ context.Context, env *drivers.Env, op *drivers.Op) time.Duration { return time.Second }
	for name, c := range map[string]struct {
		late func(op *drivers.Op) bool // ends with an error of its own
		want string
		run  reports.Verdict
	}{
		"healthy": {func(*drivers.Op) bool { return false }, "errors inconclusive, indeterminate inconclusive, p99 inconclusive, errors inconclusive, " +
			"acked inconclusive, rate inconclusive, within inconclusive, lost inconclusive, errors inconclusive", reports.Inconclusive},
		"bad": {func(op *drivers.Op) bool { return op.Seq%2 == 0 }, "errors fail, indeterminate inconclusive, p99 inconclusive, errors fail, " +
			"acked inconclusive, rate inconclusive, within fail, lost inconclusive, errors fail", reports.Fail},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				log := newLog()
				m := &memory{}
				m.do = func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
					at.Wire = true
					if !sleep(ctx, slow(ctx, env, op)) {
						lapse(ctx, at)
						return
					}
					if c.late(op) {
						at.Answered = true
						at.Fail(drivers.Rejected, "http_500", "")
						return
					}
					log.append(env.Identity.Append(nil, op.Seq))
					at.Outcome, at.Answered = drivers.Acked, true
				}
				time.AfterFunc(5500*time.Millisecond, cancel)
				streams := []scenarios.Stream{effective(openStream("a", 10, m), log)}
				sc := scenario(t, scenarios.Timing{Duration: 20 * time.Second, Drain: 3 * time.Second}, streams, "a.errors < 1%", "a.indeterminate == 0",
					"a.p99 < 1500ms", "a.errors == 0 during baseline", "a.acked > 150", "a.rate > 9.9/s", "a.within(2s) > 99%", "a.lost == 0",
					"a.errors < 1% in every second")
				run := mustRun(t, ctx, sc, Options{})
				if got := gateVerdicts(run); got != c.want || run.Exit != reports.ExitInterrupted || run.Verdict != c.run {
					t.Errorf("%s, exit %d:\n%s, want\n%s; %q", run.Verdict, run.Exit, got, c.want, run.Why)
				}
				if total := run.Streams["a"].Total; total.Indeterminate < 9 || total.Integrity.Lost != nil && *total.Integrity.Lost > 0 {
					t.Errorf("%d indeterminate, lost %v: what the interrupt ended is indeterminate and never lost", total.Indeterminate, total.Integrity.Lost)
				}
			})
		})
	}
}

// Messages within calls are gated by window, and a defect without a gate is a finding.
func TestMessagesOfStreams(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, 3*time.Millisecond)
			at.Messages = &drivers.Messages{Sent: 2, Received: 2, First: time.Millisecond, Gaps: []time.Duration{2 * time.Millisecond}, Counted: true, Tracked: true}
			if op.Seq == 5 {
				at.Messages.Reordered, at.Messages.Evidence.Reordered = 1, "message 0 came after message 1"
			}
		}}
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second}, []scenarios.Stream{openStream("a", 100, m)},
			"a.messages_lost == 0", "a.messages_duplicated == 0 in every second", "a.messages_received >= 800", "a.first_message.p99 < 2ms",
			"a.message_gap.max < 3ms during baseline", "a.errors == 0")
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
		found := slices.ContainsFunc(run.Findings, func(f reports.Finding) bool {
			return f.Kind == "messages_reordered" && strings.Contains(f.Text, "message 0 came after message 1")
		})
		if !found {
			t.Errorf("findings %v", run.Findings)
		}
		if broken := reports.Sums(run); len(broken) > 0 {
			t.Error(broken)
		}
		sc = scenario(t, scenarios.Timing{Duration: 4 * time.Second}, []scenarios.Stream{openStream("a", 100, m)}, "a.messages_reordered == 0")
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Fail {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

// A gate on messages that no call could show is not decided.
func TestMessagesNobodyCouldCount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			ack(ctx, at, 3*time.Millisecond)
			at.Messages = &drivers.Messages{Sent: 2, Undecided: 2, Awaited: true}
		}}
		sc := scenario(t, scenarios.Timing{Duration: 2 * time.Second}, []scenarios.Stream{openStream("a", 100, m)}, "a.messages_lost == 0")
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Inconclusive {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

func TestLateGeneratorIsTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		spec := openStream("a", 100, prompt())
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{spec})
		tr := &step{Experiment: &Experiment{}, sc: sc, plan: judge.NewPlan(sc, "")}
		tr.begin()
		// The load generator itself blocks for 3 s at its 200th arrival.
		var held atomic.Bool
		clock := func() time.Duration {
			if tr.clock() >= 2*time.Second && held.CompareAndSwap(false, true) {
				time.Sleep(3 * time.Second)
			}
			return tr.clock()
		}
		s := &member{spec: &spec}
		s.traffic = traffic.New(traffic.Config{
			Spec: &spec, Env: drivers.Env{Epoch: tr.epoch, Clock: clock, Seed: 1}, Driver: prompt(), Slots: tr.plan.Slots, Timing: sc.Run, Virtual: true,
		})
		s.traffic.Run(t.Context(), t.Context())
		taken, _ := s.traffic.TakeRest()
		c := &collector{step: tr, cores: map[int]float64{}}
		var limited []int
		var ours, all int64
		for sec := range 10 {
			cell := taken[sec]
			ours += cell.DroppedByUs
			is, overdue := c.limits(s, time.Duration(sec)*time.Second, cell)
			if is {
				limited = append(limited, sec)
			}
			all += overdue
		}
		if all < 280 || all > 300 { // those of 3 s, but for the last 100ms
			t.Errorf("%d late operations, want about 290", all)
		}
		if ours < 190 || ours > 210 || !slices.Equal(limited, []int{2, 3, 4}) {
			t.Errorf("%d drops of our own, limited in the seconds %v: want about 200, in 2, 3 and 4", ours, limited)
		}
	})
}

// blockingPipeline blocks the sender for 3 s at its 200th operation.
type blockingPipeline struct {
	memory
	calls *atomic.Int64
}

func (p *blockingPipeline) Open(context.Context, drivers.Env) (drivers.Driver, error) { return p, nil }
func (p *blockingPipeline) Flush(context.Context) error                               { return nil }
func (p *blockingPipeline) Send(_ context.Context, _ *drivers.Op, at *drivers.Attempt, done func()) {
	if p.calls.Add(1) == 200 {
		time.Sleep(3 * time.Second)
	}
	at.Wire, at.Answered, at.Outcome = true, true, drivers.Acked
	done()
}

// A stream whose last operation is early does not shorten the run.
func TestFaultsOutliveTheTraffic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 0.1, prompt())}, "a.errors < 1%")
		f := &recordingFault{}
		sc.Faults = []scenarios.Fault{{Name: "late", At: 4 * time.Second, For: 4 * time.Second, Config: f}}
		run := mustRun(t, t.Context(), sc, Options{})
		if got := run.Faults[0]; got.StartNS != int64(4*time.Second) || got.EndNS != int64(8*time.Second) || !got.Healed {
			t.Errorf("fault %+v", got)
		}
		if run.DurationNS != int64(10*time.Second) || run.Verdict != reports.Inconclusive {
			t.Errorf("duration %d, verdict %s: a fault that touched no traffic leaves the run open", run.DurationNS, run.Verdict)
		}
	})
}

// An interrupt heals the faults in force.
func TestInterruptHeals(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Second, cancel)
		sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors < 1%")
		f := &recordingFault{}
		sc.Faults = []scenarios.Fault{{Name: "long", At: 4 * time.Second, For: 4 * time.Second, Config: f}}
		run := mustRun(t, ctx, sc, Options{})
		if f.injected != 1 || f.healed != 1 || !run.Faults[0].Healed || run.Exit != reports.ExitInterrupted {
			t.Errorf("injected %d, healed %d, record %+v, exit %d", f.injected, f.healed, run.Faults[0], run.Exit)
		}
	})
}

// recordingFault breaks nothing and counts its calls.
type recordingFault struct{ injected, healed int }

func (f *recordingFault) Check(func(field, message string))     {}
func (f *recordingFault) Kind() string                          { return "none" }
func (f *recordingFault) Describe() faults.Description          { return faults.Description{Words: "nothing"} }
func (f *recordingFault) On() faults.Place                      { return faults.Place{Part: "x"} }
func (f *recordingFault) Open(faults.Env) (faults.Fault, error) { return f, nil }
func (f *recordingFault) Inject(context.Context) error          { f.injected++; return nil }
func (f *recordingFault) Heal(context.Context) error            { f.healed++; return nil }
func (f *recordingFault) Probe(context.Context) error           { return nil }
func (f *recordingFault) Bite() faults.Bite                     { return faults.Bite{Connections: -1, Bytes: -1} }

// A watcher that blocks delays neither the run nor the healing.
func TestBlockedWatcherHoldsUpNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 30 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors < 1%")
		f := &recordingFault{}
		sc.Faults = []scenarios.Fault{{Name: "late", At: 4 * time.Second, For: 4 * time.Second, Config: f}}
		blocked := false
		run := mustRun(t, t.Context(), sc, Options{Watch: func(*reports.Run, Progress) {
			if !blocked {
				blocked = true
				time.Sleep(29 * time.Second)
			}
		}})
		if got := run.Faults[0]; !got.Healed || got.EndNS != int64(8*time.Second) {
			t.Errorf("fault %+v", got)
		}
	})
}
