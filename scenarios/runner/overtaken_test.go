package runner

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/html"
	"wringer/reports/markdown"
	"wringer/reports/text"
	"wringer/scenarios"
)

// cutBy answers each operation after its duration, unless the fault comes into force meanwhile: then it is reset.
func cutBy(inForce *atomic.Int64, duration func(op *drivers.Op) time.Duration) *memory {
	return &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
		at.Wire = true
		for left := duration(op); left > 0; left -= 10 * time.Millisecond {
			if inForce.Load() > 0 {
				at.Fail(drivers.Indeterminate, drivers.CodeReset, "")
				return
			}
			if !sleep(ctx, 10*time.Millisecond) {
				lapse(ctx, at)
				return
			}
		}
		at.Outcome, at.Answered = drivers.Acked, true
	}}
}

func takes(d time.Duration) func(*drivers.Op) time.Duration {
	return func(*drivers.Op) time.Duration { return d }
}

// half of the operations hang, from the start.
func half(op *drivers.Op) time.Duration {
	if op.Seq%2 == 0 {
		return time.Hour
	}
	return 10 * time.Millisecond
}

func overtakenRun(t *testing.T, duration func(*drivers.Op) time.Duration, at time.Duration, gates ...string) *reports.Run {
	t.Helper()
	inForce := new(atomic.Int64)
	s := openStream("orders", 20, cutBy(inForce, duration))
	s.Timeout = 5 * time.Second
	sc := scenario(t, scenarios.Timing{Duration: at + 8*time.Second}, []scenarios.Stream{s}, gates...)
	sc.Faults = []scenarios.Fault{{Name: "cut", At: at, For: 2 * time.Second, Config: &breaker{recordingFault{}, inForce}}}
	return mustRun(t, t.Context(), sc, Options{})
}

func verdictOf(t *testing.T, run *reports.Run, expr string) reports.Gate {
	t.Helper()
	for _, g := range run.Gates {
		if g.Expr == expr {
			return g
		}
	}
	t.Fatalf("no gate %s", expr)
	return reports.Gate{}
}

// An honest service whose operations were under way when the fault came does not fail the gates of its baseline.
func TestBaselineDoesNotPayForTheFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gates := []string{"orders.errors < 1% during baseline", "orders.p99 < 500ms during baseline", "orders.within(500ms) > 99% during baseline",
			"orders.errors < 1% in every second during baseline", "orders.recovery < 3s after cut", "orders.detection < 2s during cut"}
		run := overtakenRun(t, takes(300*time.Millisecond), 3*time.Second, gates...)
		for i, expr := range gates {
			g := verdictOf(t, run, expr)
			if g.Verdict != reports.Pass {
				t.Errorf("%s: %s (%s)", expr, g.Verdict, g.Why)
			}
			if i < 4 && !strings.Contains(g.Why, "6 operations overtaken by cut left out") {
				t.Errorf("%s says %q", expr, g.Why)
			}
		}
		m := run.Streams["orders"].Windows["baseline"]
		if m.Overtaken != 6 || m.OvertakenLong != 0 || m.Offered != 60 || m.Indeterminate < 5 {
			t.Errorf("baseline %+v", m)
		}
	})
}

// A worst second of the baseline that the fault made is no measure of what is normal.
func TestRecoveryIsMeasuredAgainstTheUndisturbedBaseline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		inForce := new(atomic.Int64)
		s := openStream("orders", 20, cutBy(inForce, func(op *drivers.Op) time.Duration {
			if op.Planned > 6*time.Second && op.Seq%5 == 0 { // 20 % of what comes after the fault hangs
				return time.Hour
			}
			return 300 * time.Millisecond
		}))
		s.Timeout = time.Second
		sc := scenario(t, scenarios.Timing{Duration: 12 * time.Second}, []scenarios.Stream{s}, "orders.recovery < 3s after cut")
		sc.Faults = []scenarios.Fault{{Name: "cut", At: 3 * time.Second, For: 2 * time.Second, Config: &breaker{recordingFault{}, inForce}}}
		run := mustRun(t, t.Context(), sc, Options{})
		if g := run.Gates[0]; g.Verdict != reports.Fail {
			t.Errorf("20 %% errors after the fault count as recovered: %s (%s)", g.Verdict, g.Why)
		}
	})
}

// A target that hangs on half of its requests from the start fails its baseline, whatever the fault overtook.
func TestHungOperationsAreNotExcusedByAFault(t *testing.T) {
	bubble(t, func(t *testing.T) {
		gates := []string{"orders.errors < 1% during baseline", "orders.errors < 1% in every second during baseline", "orders.p99 < 1s during baseline"}
		run := overtakenRun(t, half, 3*time.Second, gates...)
		for _, expr := range gates {
			if g := verdictOf(t, run, expr); g.Verdict != reports.Fail {
				t.Errorf("%s: %s (%s)", expr, g.Verdict, g.Why)
			}
		}
		if m := run.Streams["orders"].Windows["baseline"]; m.Overtaken != 30 || m.OvertakenLong < 29 {
			t.Errorf("%d overtaken, %d had waited long", m.Overtaken, m.OvertakenLong)
		}
	})
}

// Operations that a first fault hung are not excused because a second one overtakes them.
func TestTwoFaultsBackToBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		hung, reset := new(atomic.Int64), new(atomic.Int64)
		m := cutBy(reset, func(*drivers.Op) time.Duration {
			if hung.Load() > 0 {
				return time.Hour
			}
			return 50 * time.Millisecond
		})
		s := openStream("orders", 20, m)
		s.Timeout = 5 * time.Second
		sc := scenario(t, scenarios.Timing{Duration: 12 * time.Second}, []scenarios.Stream{s}, "orders.errors < 1% during hang", "orders.errors < 1% during baseline")
		sc.Faults = []scenarios.Fault{
			{Name: "hang", At: 3 * time.Second, For: time.Second, Config: &breaker{recordingFault{}, hung}},
			{Name: "cut", At: 4 * time.Second, For: time.Second, Config: &breaker{recordingFault{}, reset}},
		}
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Gates[0].Verdict != reports.Fail || run.Gates[1].Verdict != reports.Pass {
			t.Errorf("%+v", run.Gates)
		}
		if m := run.Streams["orders"].Windows["hang"]; m.Overtaken < 19 || m.OvertakenLong < 17 {
			t.Errorf("%d overtaken, %d had waited long", m.Overtaken, m.OvertakenLong)
		}
	})
}

// Every report tells how many operations were overtaken, and how many had waited long.
func TestReportsTellOvertakenOperations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		run := overtakenRun(t, half, 4*time.Second, "orders.errors < 100%")
		total := &run.Streams["orders"].Total
		if total.Overtaken == 0 || total.OvertakenLong == 0 {
			t.Fatalf("%d overtaken, %d long", total.Overtaken, total.OvertakenLong)
		}
		rec := &reports.Record{Run: run}
		for name, render := range map[string]func(io.Writer, *reports.Record) error{
			"text":     func(w io.Writer, rec *reports.Record) error { return text.Render(w, rec, text.Options{}) },
			"markdown": markdown.Render,
			"html":     html.Render,
		} {
			var out bytes.Buffer
			if err := render(&out, rec); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(strings.Fields(out.String()), " ")
			want := fmt.Sprintf("not over at it: %s; %s of them had waited long", reports.Count(total.Overtaken), reports.Count(total.OvertakenLong))
			if !strings.Contains(said, want) {
				t.Errorf("%s does not tell %d overtaken operations", name, total.Overtaken)
			}
		}
	})
}

// slowHealer is a breaker that stays in force for a while longer than planned.
type slowHealer struct {
	breaker
	takes time.Duration
}

func (b *slowHealer) Open(faults.Env) (faults.Fault, error) { return b, nil }
func (b *slowHealer) Heal(ctx context.Context) error {
	time.Sleep(b.takes)
	return b.breaker.Heal(ctx)
}

// The window after a fault does not pay for the time that healing takes. What fails once the fault is healed counts.
func TestTheTimeAfterAFaultDoesNotPayForIt(t *testing.T) {
	for name, c := range map[string]struct {
		healing time.Duration
		broken  time.Duration // how long the target still fails after healing
		want    reports.Verdict
		why     string
	}{
		"healed at once":         {0, 0, reports.Pass, ""},
		"healing takes its time": {220 * time.Millisecond, 0, reports.Pass, "operations due before cut was healed left out"},
		"the target stays down":  {220 * time.Millisecond, time.Second, reports.Fail, "violated"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				inForce, begun := new(atomic.Int64), time.Now()
				honest := cutBy(inForce, takes(30*time.Millisecond))
				m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
					if healed := 5*time.Second + c.healing; time.Since(begun) >= healed && time.Since(begun) < healed+c.broken {
						at.Wire = true
						at.Fail(drivers.Indeterminate, drivers.CodeReset, "")
						return
					}
					honest.do(ctx, env, op, at)
				}}
				sc := scenario(t, scenarios.Timing{Duration: 10 * time.Second}, []scenarios.Stream{openStream("orders", 20, m)},
					"orders.errors < 1% after cut", "orders.errors < 1% during baseline", "orders.acked >= 30 after cut")
				sc.Faults = []scenarios.Fault{{Name: "cut", At: 3 * time.Second, For: 2 * time.Second, Config: &slowHealer{breaker{recordingFault{}, inForce}, c.healing}}}
				run := mustRun(t, t.Context(), sc, Options{})
				if g := verdictOf(t, run, "orders.errors < 1% after cut"); g.Verdict != c.want || !strings.Contains(g.Why, c.why) {
					t.Errorf("%s, want %s: %s", g.Verdict, c.want, g.Why)
				}
				if run.Gates[1].Verdict != reports.Pass || run.Gates[2].Verdict != reports.Pass || run.Streams["orders"].Total.Overtaken > 1 {
					t.Errorf("%+v, %d overtaken", run.Gates[1:], run.Streams["orders"].Total.Overtaken)
				}
			})
		})
	}
}
