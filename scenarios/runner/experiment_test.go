package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// countedTarget is a target that counts its starts and ends.
type countedTarget struct{ started, closed *atomic.Int64 }

func newCountedTarget() countedTarget { return countedTarget{new(atomic.Int64), new(atomic.Int64)} }

func (countedTarget) Check(func(field, message string)) {}
func (countedTarget) Variables() []string               { return []string{"rest"} }
func (countedTarget) PartNames() []string               { return []string{"x"} }

func (c countedTarget) Start(_ context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	c.started.Add(1)
	out, err := env.Output("x")
	if err == nil {
		fmt.Fprintln(out, "started")
	}
	return c, err
}

func (countedTarget) Vars() map[string]string       { return map[string]string{"rest": "memory"} }
func (countedTarget) Parts() map[string]faults.Part { return nil }
func (c countedTarget) Close(context.Context) error { c.closed.Add(1); return nil }

// Three steps with their own rates and lengths run on one target, and each leaves its own record.
func TestStepsShareATarget(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	bubble(t, func(t *testing.T) {
		dir, log := filepath.Join(t.TempDir(), "steps"), newLog()
		target := newCountedTarget()
		stream := openStream("a", 100, &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			log.append(env.Identity.Append(nil, op.Seq))
			ack(ctx, at, time.Millisecond)
		}})
		stream.Places = []scenarios.Place{{Kind: "memory", Source: at(log)}}
		sc := scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 4 * time.Second, Drain: time.Second},
			[]scenarios.Stream{stream, openStream("b", 10, prompt())}, "a.errors == 0", "a.lost == 0", "a.effect_duplicates == 0", "b.errors == 0")
		sc.Target, sc.TargetName = target, "counted"
		sc.Faults = []scenarios.Fault{{Name: "f", At: time.Second, For: time.Second, Config: &breaker{inForce: new(atomic.Int64)}}}

		e, err := Open(t.Context(), sc, Options{Dir: dir, Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		ids := make(map[string]bool)
		for i, step := range []struct {
			Step
			rate   float64
			length time.Duration
		}{
			{Step{Dir: filepath.Join(dir, "1")}, 100, 4 * time.Second},
			{Step{Dir: filepath.Join(dir, "2"), Rates: map[string]*scenarios.Rate{"a": {Constant: 200}}}, 200, 4 * time.Second},
			{Step{Dir: filepath.Join(dir, "3"), Rates: map[string]*scenarios.Rate{"a": {Constant: 50}}, Duration: 6 * time.Second}, 50, 6 * time.Second},
		} {
			run, err := e.Play(t.Context(), step.Step)
			if err != nil {
				t.Fatalf("step %d: %v", i+1, err)
			}
			rec, err := reports.Load(step.Dir)
			if err != nil {
				t.Fatal(err)
			}
			recordtest.Valid(t, rec.Run)
			a, b := rec.Run.Streams["a"].Total, rec.Run.Streams["b"].Total
			seconds := step.length.Seconds()
			if rec.Run.Verdict != reports.Pass || a.Acked != int64(step.rate*seconds) || b.Acked != int64(10*seconds) {
				t.Errorf("step %d: %s %q, acked %d and %d, want %v for %s", i+1, rec.Run.Verdict, rec.Run.Why, a.Acked, b.Acked, step.rate, step.length)
			}
			if want := fmt.Sprintf("%v/s", step.rate); rec.Run.DurationNS != int64(step.length) || rec.Run.Streams["a"].Plan != want || *a.Integrity.Seen != a.Acked {
				t.Errorf("step %d: %d ns, plan %q, %d effects seen", i+1, rec.Run.DurationNS, rec.Run.Streams["a"].Plan, *a.Integrity.Seen)
			}
			if rec.Run.ID != run.ID || ids[run.ID] {
				t.Errorf("step %d: the id %s is not its own", i+1, run.ID)
			}
			ids[run.ID] = true
			if target.started.Load() != 1 || target.closed.Load() != 0 {
				t.Errorf("step %d: the target was started %d times and closed %d times", i+1, target.started.Load(), target.closed.Load())
			}
		}
		for range 2 {
			if err := e.Close(); err != nil || target.closed.Load() != 1 {
				t.Errorf("close: %v, the target was closed %d times", err, target.closed.Load())
			}
		}
		if text, _ := os.ReadFile(filepath.Join(dir, "output", "x.log")); string(text) != "started\n" {
			t.Errorf("output of the target: %q", text)
		}
	})
}

// A step that the scenario does not allow is refused before anything is sent. It leaves no folder, and does not end the
// experiment.
func TestImpossibleStepsAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "steps")
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second}, []scenarios.Stream{openStream("a", 100, prompt())}, "a.errors == 0")
		sc.Faults = []scenarios.Fault{{Name: "f", At: time.Second, For: time.Second, Config: &breaker{inForce: new(atomic.Int64)}}}
		sc.Phases = []scenarios.Phase{{Name: "p", At: 3 * time.Second, For: time.Second}}
		e, err := Open(t.Context(), sc, Options{Dir: dir, Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		at := filepath.Join(dir, "1")
		for want, step := range map[string]Step{
			"no stream b":        {Dir: at, Rates: map[string]*scenarios.Rate{"b": {Constant: 1}}},
			"rate of stream a":   {Dir: at, Rates: map[string]*scenarios.Rate{"a": nil}},
			"fault f ends at 2s": {Dir: at, Duration: time.Second},
			"phase p ends at 4s": {Dir: at, Duration: 3 * time.Second},
			"negative":           {Dir: at, Duration: -time.Second},
			"no stream c":        {Dir: at, Users: map[string]int{"c": 1}},
			"a has a rate":       {Dir: at, Users: map[string]int{"a": 1}},
			"a: 0 users":         {Dir: at, Users: map[string]int{"a": 0}},
		} {
			if _, err := e.Play(t.Context(), step); !errors.Is(err, ErrScenario) || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one with %q", err, want)
			}
		}
		if _, err := os.Stat(at); !os.IsNotExist(err) {
			t.Errorf("a refused step left its folder: %v", err)
		}
		if _, err := e.Play(t.Context(), Step{}); err != nil {
			t.Fatal(err)
		}
		if _, err := e.Play(t.Context(), Step{}); err == nil || !strings.Contains(err.Error(), "earlier step") {
			t.Errorf("a second record in one folder: %v", err)
		}
	})
}

// A fault that writes output and never closes it.
type chatty struct {
	breaker
	out *io.WriteCloser
}

func (c *chatty) Open(env faults.Env) (_ faults.Fault, err error) {
	*c.out, err = env.Output(env.Name)
	return c, err
}

// unsteady is a driver whose target cannot be spoken to while broken is set. It counts what is open.
type unsteady struct {
	memory
	broken bool
	open   int
}

func (u *unsteady) Open(ctx context.Context, env drivers.Env) (drivers.Driver, error) {
	if u.broken {
		return nil, errors.New("no such host")
	}
	u.open++
	_, err := u.memory.Open(ctx, env)
	return u, err
}

func (u *unsteady) Close() error { u.open--; return nil }

// A step that fails or that is interrupted leaves nothing open, and the next one is as if it had been the first.
func TestStepsAfterAnErrorAndAnInterrupt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "steps")
		first, second := &unsteady{memory: *prompt()}, &unsteady{memory: *prompt()}
		a, b := openStream("a", 100, nil), openStream("b", 10, nil)
		a.Driver, b.Driver = first, second
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second}, []scenarios.Stream{a, b}, "a.errors == 0", "a.offered > 100")
		var inForce atomic.Int64
		var output io.WriteCloser
		sc.Faults = []scenarios.Fault{{Name: "f", At: time.Second, For: 2 * time.Second, Config: &chatty{breaker{inForce: &inForce}, &output}}}
		e, err := Open(t.Context(), sc, Options{Dir: dir, Network: faults.Network{Virtual: true}})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		left := func(when string) {
			t.Helper()
			if first.open != 0 || second.open != 0 || inForce.Load() != 0 {
				t.Errorf("%s: %d and %d drivers are open, %d faults in force", when, first.open, second.open, inForce.Load())
			}
		}
		second.broken = true
		if _, err := e.Play(t.Context(), Step{Dir: filepath.Join(dir, "1")}); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("error %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "1")); !os.IsNotExist(err) {
			t.Errorf("a step that was not opened left its folder: %v", err)
		}
		left("after an error")
		second.broken = false
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		run, err := e.Play(ctx, Step{Dir: filepath.Join(dir, "1")})
		if err != nil {
			t.Fatal(err)
		}
		recordtest.Valid(t, run)
		if run.Exit != reports.ExitInterrupted || run.Verdict == reports.Pass || !run.Faults[0].Healed {
			t.Errorf("the interrupted step: %s, exit %d, %q", run.Verdict, run.Exit, run.Why)
		}
		left("after an interrupt")
		fmt.Fprintln(output, "late")
		if text, _ := os.ReadFile(filepath.Join(dir, "1", "output", "faults", "f.log")); len(text) != 0 {
			t.Errorf("the output of the step's fault was not closed: %q", text)
		}
		if run, err = e.Play(t.Context(), Step{Dir: filepath.Join(dir, "2")}); err != nil {
			t.Fatal(err)
		}
		recordtest.Valid(t, run)
		if run.Verdict != reports.Pass || run.Streams["a"].Total.Acked != 400 {
			t.Errorf("the last step: %s, %q", run.Verdict, run.Why)
		}
		left("after the last step")
	})
}

// A target that cannot be started leaves nothing behind.
func TestOpenFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "steps")
	sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 100, prompt())})
	sc.Target, sc.TargetName = brokenTarget{newCountedTarget()}, "broken"
	if _, err := Open(t.Context(), sc, Options{Dir: dir, Network: faults.Network{Virtual: true}}); err == nil || !strings.Contains(err.Error(), "start target broken: no room") {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder was left: %v", err)
	}
}

type brokenTarget struct{ countedTarget }

func (brokenTarget) Start(context.Context, scenarios.TargetEnv) (scenarios.Target, error) {
	return nil, errors.New("no room")
}

// Watch gets each second and each sample once, also when it is slow. At the end it has everything that the record holds.
func TestWatchGetsEachRowOnce(t *testing.T) {
	for _, slow := range []time.Duration{0, 2500 * time.Millisecond} {
		t.Run(slow.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var rows []reports.Second
				var last *reports.Run
				var states []string
				sc := scenario(t, scenarios.Timing{Warmup: time.Second, Duration: 10 * time.Second, Drain: time.Second}, []scenarios.Stream{openStream("a", 100, prompt())}, "a.errors == 0")
				sc.Faults = []scenarios.Fault{{Name: "f", At: 4 * time.Second, For: 3 * time.Second, Config: &breaker{inForce: new(atomic.Int64)}}}
				run := mustRun(t, t.Context(), sc, Options{Watch: func(run *reports.Run, p Progress) {
					rows = append(rows, run.Streams["a"].Seconds...)
					last = run
					if s := p.Faults[0].State; s != "injecting" && (len(states) == 0 || states[len(states)-1] != s) {
						states = append(states, s)
					}
					if run.Complete || run.Verdict == reports.Pass || len(p.Streams) != 1 || p.Streams[0].Last.Offered > 100 {
						t.Errorf("at %s: complete %t, %s, %+v", p.At, run.Complete, run.Verdict, p.Streams)
					}
					time.Sleep(slow)
				}})
				if got, want := fmt.Sprint(starts(rows)), fmt.Sprint(starts(run.Streams["a"].Seconds)); got != want {
					t.Errorf("seconds %s, want %s", got, want)
				}
				if got, want := last.Streams["a"].Total.Counts, run.Streams["a"].Total.Counts; got != want {
					t.Errorf("sums at the end %+v, in the record %+v", got, want)
				}
				if got := strings.Join(states, ", "); slow == 0 && got != "waiting, in force, healed" {
					t.Errorf("the fault was %s", got)
				}
			})
		})
	}
}

func starts(rows []reports.Second) (at []time.Duration) {
	for i := range rows {
		at = append(at, time.Duration(rows[i].StartNS))
	}
	return at
}
