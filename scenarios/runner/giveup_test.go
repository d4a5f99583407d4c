package runner

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// A step that gives up ends once its gate is certain to fail, and fails by that gate. Without it, and where the gate may still hold, the
// step has its whole length.
func TestStepGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var bad atomic.Int64 // of ten operations
		sc := scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 20 * time.Second, Drain: time.Second},
			[]scenarios.Stream{openStream("a", 50, &memory{do: func(ctx context.Context, _ *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
				if ack(ctx, at, time.Millisecond); int64(op.Seq%10) < bad.Load() {
					at.Fail(drivers.Rejected, "busy", "")
				}
			}})}, "a.errors < 5%")
		dir := t.TempDir()
		e, err := Open(t.Context(), sc, Options{Dir: filepath.Join(dir, "root"), Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for name, c := range map[string]struct {
			bad     int64
			giveUp  bool
			verdict reports.Verdict
			entire  bool
		}{"good": {0, true, reports.Pass, true}, "bad": {5, true, reports.Fail, false}, "bad to the end": {5, false, reports.Fail, true}} {
			bad.Store(c.bad)
			run, err := e.Play(t.Context(), Step{Dir: filepath.Join(dir, name), GiveUp: c.giveUp})
			if err != nil {
				t.Fatal(err)
			}
			if run.Verdict != c.verdict || (run.DurationNS == run.PlannedNS) != c.entire || c.verdict == reports.Fail && !strings.HasPrefix(run.Why[0], "a.errors < 5%: ") {
				t.Errorf("%s: %s after %s: %v", name, run.Verdict, time.Duration(run.DurationNS), run.Why)
			}
		}
	})
}

// A calm step plays the traffic without faults, phases and the gates that need them; the next step has them again.
func TestCalmStep(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second, Drain: time.Second}, []scenarios.Stream{openStream("a", 50, prompt())},
			"a.errors < 5%", "a.errors < 5% during f", "a.errors < 5% during baseline")
		inForce := new(atomic.Int64)
		sc.Faults = []scenarios.Fault{{Name: "f", At: time.Second, For: time.Second, Config: &breaker{inForce: inForce}}}
		dir := t.TempDir()
		e, err := Open(t.Context(), sc, Options{Dir: filepath.Join(dir, "root"), Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, calm := range []bool{true, false} {
			st := Step{Dir: filepath.Join(dir, map[bool]string{true: "calm", false: "usual"}[calm]), Calm: calm}
			if calm {
				st.Duration = time.Second // shorter than the fault's place
			}
			run, err := e.Play(t.Context(), st)
			if err != nil {
				t.Fatal(err)
			}
			want := map[bool][2]int{true: {0, 2}, false: {1, 3}}[calm]
			if len(run.Faults) != want[0] || len(run.Gates) != want[1] || run.Verdict == reports.Fail {
				t.Errorf("calm %t: %d faults, %d gates, %s %v", calm, len(run.Faults), len(run.Gates), run.Verdict, run.Why)
			}
		}
	})
}

// A step against nothing leads a stream's connections elsewhere, and plays that stream alone, without gates and retries.
func TestStepAgainstNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var elsewhere, direct atomic.Int64
		dials := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			if conn, err := env.Dial(ctx, "tcp", "127.0.0.1:1"); err == nil {
				conn.Close()
			}
			ack(ctx, at, time.Millisecond)
		}}
		sc := scenario(t, scenarios.Timing{Warmup: 30 * time.Second, Duration: 4 * time.Second, Drain: 20 * time.Second},
			[]scenarios.Stream{openStream("a", 50, dials), openStream("b", 50, prompt())}, "a.errors < 5%")
		dir := t.TempDir()
		network := faults.Network{Virtual: true, DialFunc: func(context.Context, string, string) (net.Conn, error) {
			direct.Add(1)
			return nil, net.ErrClosed
		}}
		e, err := Open(t.Context(), sc, Options{Dir: filepath.Join(dir, "root"), Network: network})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		way := func(drivers.DialFunc) drivers.DialFunc {
			return func(context.Context, string, string) (net.Conn, error) {
				elsewhere.Add(1)
				return nil, net.ErrClosed
			}
		}
		run, err := e.Play(t.Context(), Step{Dir: filepath.Join(dir, "1"), Null: map[string]*Null{"a": {Through: way}}, Rates: map[string]*scenarios.Rate{"a": {Constant: 100}}})
		if err != nil {
			t.Fatal(err)
		}
		if elsewhere.Load() == 0 || direct.Load() != 0 || len(run.Streams) != 1 || len(run.Gates) != 0 || run.Streams["a"].Total.Acked != 400 || run.WarmupNS >= int64(time.Second) {
			t.Errorf("%d elsewhere, %d to the target, %d streams: %v", elsewhere.Load(), direct.Load(), len(run.Streams), run.Why)
		}
	})
}
