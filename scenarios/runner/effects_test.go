package runner

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/scenarios"
)

// effective gives a stream a place where its effects show up.
func effective(s scenarios.Stream, l *ledgerLog) scenarios.Stream {
	s.Places = []scenarios.Place{{Kind: "memory", Source: at(l)}}
	return s
}

// delaying acks each operation after a millisecond, and publishes its effect this long after its planned start; below 0: never.
func delaying(l *ledgerLog, after func(*drivers.Op) time.Duration) *memory {
	return &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
		if d := after(op); d >= 0 {
			id := env.Identity.Append(nil, op.Seq)
			time.AfterFunc(op.Planned+d-env.Clock(), func() { l.append(id) })
		}
		ack(ctx, at, time.Millisecond)
	}}
}

func always(d time.Duration) func(*drivers.Op) time.Duration {
	return func(*drivers.Op) time.Duration { return d }
}

// wantTime checks a figure of the record.
func wantTime(t *testing.T, what string, got *float64, want time.Duration) {
	t.Helper()
	if got == nil || math.Abs(*got-float64(want)) > 0.002*float64(want) {
		t.Errorf("%s is %v, want %s", what, reports.Measured(got, reports.Duration), want)
	}
}

func TestEffectTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		s := effective(openStream("a", 100, delaying(log, always(250*time.Millisecond))), log)
		sc := scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{s},
			"a.effect.p50 > 245ms", "a.effect.p99 < 255ms", "a.effect.max < 255ms", "a.effect.mean <= 255ms during baseline",
			"a.effect.p99 < 245ms", "a.effect.max < 245ms during baseline")
		run := mustRun(t, t.Context(), sc, Options{})
		if got := gateVerdicts(run); got != "effect.p50 pass, effect.p99 pass, effect.max pass, effect.mean pass, effect.p99 fail, effect.max fail" {
			t.Errorf("%s: %+v", got, run.Gates)
		}
		stream := run.Streams["a"]
		for what, m := range map[string]*reports.Measures{"total": &stream.Total, "baseline": stream.Windows["baseline"]} {
			if m.Effect == nil || m.Effect.Count != 300 || *m.Effect.Unanswered != 0 {
				t.Fatalf("%s: %+v, want 300", what, m.Effect)
			}
			wantTime(t, what+" p50", m.Effect.P50, 250*time.Millisecond)
		}
		if e := stream.Windows["drain"].Effect; e != nil {
			t.Errorf("effects of operations that were due in the drain: %+v", e)
		}
		for _, row := range stream.Seconds {
			if row.EffectP50NS == nil || row.EffectP99NS == nil || math.Abs(float64(*row.EffectP99NS)-250e6) > 1e6 {
				t.Errorf("second %d: %v, %v", row.StartNS, row.EffectP50NS, row.EffectP99NS)
			}
		}
	})
}

// An operation belongs to the window in which it was due, whatever the time of its effect.
func TestEffectTimesByWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		after := func(op *drivers.Op) time.Duration {
			if op.Planned >= 3*time.Second && op.Planned < 5*time.Second {
				return 4 * time.Second
			}
			return 20 * time.Millisecond
		}
		s := effective(openStream("a", 50, delaying(log, after)), log)
		sc := scenario(t, scenarios.Timing{Duration: 8 * time.Second, Drain: 2 * time.Second}, []scenarios.Stream{s},
			"a.effect.p99 < 100ms during baseline", "a.effect.p50 > 3s during late", "a.effect.p99 < 100ms after late", "a.effect.p99 < 100ms")
		sc.Faults = []scenarios.Fault{{Name: "late", At: 3 * time.Second, For: 2 * time.Second, Config: &breaker{inForce: new(atomic.Int64)}}}
		run := mustRun(t, t.Context(), sc, Options{})
		if got := gateVerdicts(run); got != "effect.p99 pass, effect.p50 pass, effect.p99 pass, effect.p99 fail" {
			t.Errorf("%s: %+v", got, run.Gates)
		}
		wantTime(t, "p50 during late", run.Streams["a"].Windows["late"].Effect.P50, 4*time.Second)
	})
}

// In the closed model the planned start is the real one, known from the end alone.
func TestEffectTimesOfTheClosedModel(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		s := effective(openStream("a", 0, delaying(log, always(70*time.Millisecond))), log)
		s.Rate, s.Users, s.Think = nil, 3, 30*time.Millisecond
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 2 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "a.effect.p99 < 80ms"), Options{})
		if run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
		wantTime(t, "p50", run.Streams["a"].Total.Effect.P50, 70*time.Millisecond)
	})
}

// One acked operation in fifty has no effect: no p99 is good enough then, nor any mean or maximum.
func TestLostEffectsFailEveryLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		after := func(op *drivers.Op) time.Duration {
			if op.Seq%50 == 0 {
				return -1
			}
			return 20 * time.Millisecond
		}
		s := effective(openStream("a", 100, delaying(log, after)), log)
		sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{s},
			"a.effect.p50 < 1s", "a.effect.p99 < 1h", "a.effect.max < 1h", "a.effect.mean < 1h", "a.effect.p95 < 1s during baseline")
		run := mustRun(t, t.Context(), sc, Options{})
		if got := gateVerdicts(run); got != "effect.p50 pass, effect.p99 fail, effect.max fail, effect.mean fail, effect.p95 pass" {
			t.Errorf("%s: %+v", got, run.Gates)
		}
		if why := run.Gates[1].Why; why != "effects of acked operations were never seen" {
			t.Errorf("why %q", why)
		}
		if e := run.Streams["a"].Total.Effect; e.Unseen() != 6 || e.Unknown != 0 || e.P99 != nil {
			t.Errorf("%+v", e)
		}
	})
}

// An operation without an answer that took effect counts at its time. A rejected one does not count.
func TestEffectsOfUnansweredOperations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			at.Wire = true
			if op.Seq%2 == 0 {
				at.Fail(drivers.Rejected, "http_400", "")
				return
			}
			sleep(ctx, 30*time.Millisecond)
			log.append(env.Identity.Append(nil, op.Seq))
			hang(ctx, at)
		}}
		s := effective(openStream("a", 100, m), log)
		s.Timeout = 200 * time.Millisecond
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 2 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, "a.effect.max < 40ms"), Options{})
		if got := gateVerdicts(run); got != "effect.max pass" {
			t.Errorf("%s: %+v", got, run.Gates)
		}
		if e := run.Streams["a"].Total.Effect; e.Count != 100 {
			t.Errorf("%d count, want 100", e.Count)
		}
	})
}

func TestEffectsThatNothingCanBeSaidOf(t *testing.T) {
	for name, c := range map[string]struct {
		broken time.Duration // of the source; 0: it stays whole
		gate   string
		want   reports.Verdict
		why    string
	}{
		"whole":                         {0, "a.effect.p99 < 1s", reports.Pass, "held"},
		"cut short":                     {2 * time.Second, "a.effect.p99 < 1s", reports.Inconclusive, "gone"},
		"cut short, and a lower bound":  {2 * time.Second, "a.effect.p50 > 1ms", reports.Inconclusive, "gone"},
		"cut short, and slow before":    {2 * time.Second, "a.effect.p50 < 5ms", reports.Fail, "violated"},
		"cut short, too few to tell":    {1200 * time.Millisecond, "a.effect.p50 < 5ms", reports.Inconclusive, "gone"},
		"cut short, in another window":  {2900 * time.Millisecond, "a.effect.p99 < 1s during baseline", reports.Pass, "held"},
		"cut short, where it was slow":  {2900 * time.Millisecond, "a.effect.p99 < 1ms during baseline", reports.Fail, "violated"},
		"cut short, in the window":      {2900 * time.Millisecond, "a.effect.p99 < 1s during late", reports.Inconclusive, "gone"},
		"cut short, before the window":  {1200 * time.Millisecond, "a.effect.p99 < 1s during late", reports.Inconclusive, "gone"},
		"of a window without operation": {0, "a.effect.p99 < 1s during drain", reports.Inconclusive, "no operation was acked"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				log := newLog()
				s := effective(openStream("a", 100, delaying(log, always(20*time.Millisecond))), log)
				sc := scenario(t, scenarios.Timing{Duration: 3 * time.Second, Drain: time.Second}, []scenarios.Stream{s}, c.gate)
				sc.Faults = []scenarios.Fault{{Name: "late", At: 2500 * time.Millisecond, For: 500 * time.Millisecond, Config: &breaker{inForce: new(atomic.Int64)}}}
				if c.broken > 0 {
					time.AfterFunc(c.broken, func() {
						log.mu.Lock()
						log.broken = errors.New("gone")
						log.mu.Unlock()
						log.append(nil)
					})
				}
				run := mustRun(t, t.Context(), sc, Options{})
				if g := run.Gates[0]; g.Verdict != c.want || !strings.Contains(g.Why, c.why) {
					t.Errorf("%s: %s", g.Verdict, g.Why)
				}
				if c.broken > 0 && run.Verdict == reports.Pass {
					t.Error("a run that was not observed to its end passed")
				}
			})
		})
	}
}

// An interrupt leaves effects open that had not shown up.
func TestEffectsOfAnInterruptedRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		log := newLog()
		s := effective(openStream("a", 100, delaying(log, always(3*time.Second))), log)
		time.AfterFunc(5*time.Second, cancel)
		run := mustRun(t, ctx, scenario(t, scenarios.Timing{Duration: 20 * time.Second, Drain: 10 * time.Second}, []scenarios.Stream{s}, "a.effect.p99 < 1h"), Options{})
		e := run.Streams["a"].Total.Effect
		if g := run.Gates[0]; g.Verdict != reports.Inconclusive || e.Unseen() != 0 || e.Unknown < 150 || e.Count < 490 {
			t.Errorf("%s (%s), %+v", g.Verdict, g.Why, e)
		}
		time.Sleep(5 * time.Second) // effects still to be published
	})
}

// Before the first fault the times of effects are not known yet, and those of answers say nothing of them.
func TestEffectsDoNotStopARunEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log := newLog()
		m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			log.append(env.Identity.Append(nil, op.Seq))
			ack(ctx, at, 300*time.Millisecond)
		}}
		sc := scenario(t, scenarios.Timing{Duration: 5 * time.Second, Drain: time.Second}, []scenarios.Stream{effective(openStream("a", 100, m), log)},
			"a.effect.p99 < 100ms during baseline")
		sc.Faults = []scenarios.Fault{{Name: "late", At: 2 * time.Second, For: time.Second, Config: &breaker{inForce: new(atomic.Int64)}}}
		if run := mustRun(t, t.Context(), sc, Options{}); run.Verdict != reports.Pass {
			t.Errorf("verdict %s: %q", run.Verdict, run.Why)
		}
	})
}

// A gate on effects that nothing observes, which the language does not accept, decides nothing.
func TestNoEffectsNoTimes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run := mustRun(t, t.Context(), scenario(t, scenarios.Timing{Duration: 2 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors < 1%", "a.effect.p99 < 1s"), Options{})
		if got := gateVerdicts(run); got != "errors pass, effect.p99 inconclusive" {
			t.Error(got)
		}
		s := run.Streams["a"]
		if s.Total.Effect != nil || s.Windows["baseline"].Effect != nil || s.Seconds[0].EffectP50NS != nil || s.Seconds[0].EffectP99NS != nil {
			t.Errorf("effects were measured: %+v", s.Total.Effect)
		}
	})
}
