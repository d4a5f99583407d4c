package capacity

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers/drivertest/tier"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// memory plays steps on a target in memory.
type memory struct {
	experiment *runner.Experiment
	dir        string
	steps      int
	reset      func() // nil: there is no way
}

func (m *memory) Play(ctx context.Context, _ int, st runner.Step) (*reports.Run, string, error) {
	m.steps++
	st.Dir = filepath.Join(m.dir, fmt.Sprint(m.steps))
	run, err := m.experiment.Play(ctx, st)
	return run, st.Dir, err
}

func (m *memory) Reset(context.Context) error {
	if m.reset == nil {
		return errors.ErrUnsupported
	}
	m.reset()
	return nil
}

// searched searches for the capacity of a target in virtual time, and returns the answer and the virtual time that it took.
func searched(t testing.TB, b built, dir string, resets bool) (*Answer, time.Duration) {
	tgt := b.make()
	sc := &scenarios.Scenario{
		Name: "test", Seed: 1, Path: "test.yaml", Source: []byte("name: test\n"), Metrics: recordtest.Catalogue(),
		Run: scenarios.Timing{Warmup: time.Second, Duration: 30 * time.Second, Drain: time.Second, MaxLag: scenarios.DefaultMaxLag},
		Traffic: []scenarios.Stream{{
			Name: "a", DriverName: "memory", Driver: &driver{tgt}, Rate: &scenarios.Rate{Constant: 40}, Timeout: scenarios.DefaultTimeout, MaxInFlight: scenarios.DefaultMaxInFlight,
		}},
	}
	for _, expr := range []string{cmp.Or(b.gate, "a.p99 < 300ms"), "a.errors < 1%"} {
		g, err := scenarios.ParseGate(expr, sc.Metrics)
		if err != nil {
			t.Fatal(err)
		}
		sc.Expect = append(sc.Expect, g)
	}
	axis, err := NewAxis(sc, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	opt := runner.Options{Dir: filepath.Join(dir, "root")}
	opt.Network.Virtual = true
	e, err := runner.Open(t.Context(), sc, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	m := &memory{experiment: e, dir: dir}
	if r, ok := tgt.(interface{ reset() }); ok && resets {
		m.reset = r.reset
	}
	asked := Asked{Axis: axis, From: cmp.Or(b.from, 5), Most: 1000, Width: 0.05, Trial: cmp.Or(b.trial, 30*time.Second), Within: b.within}
	begun := time.Now()
	a, err := Find(t.Context(), sc, asked, m, func(*Answer, Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	return a, time.Since(begun)
}

// holds says whether a bracket holds the truth. A trial of a minute cannot see an overload of less than a percent.
func (b built) holds(a *Answer) bool {
	return (a.Lower == nil || a.Lower.At <= b.truth*1.01) && (a.Upper == nil || a.Upper.At >= b.truth*0.99)
}

// rounds is how many seeds each kind of target gets.
var rounds = flag.Int("seeds", 2, "seeds of each kind of target")

// Of each kind of target at most one bracket of twenty excludes the truth, and each search ends within ten minutes of virtual time.
func TestKnownCapacities(t *testing.T) {
	seeds := tier.Rounds(t, *rounds, 1)
	for name, family := range families {
		t.Run(name, func(t *testing.T) {
			if name != "token bucket" {
				tier.Slow(t, "a search of some minutes in virtual time")
			}
			t.Parallel()
			var all tally
			for seed := range uint64(seeds) {
				dir := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					b := family(rand.New(rand.NewPCG(seed, 7)))
					a, took := searched(t, b, dir, true)
					t.Logf("seed %d, truth %.1f: %s; %d trials, %s", seed, b.truth, a.Why, len(a.Trials), took)
					if !all.add(b, a, took) || took > 10*time.Minute {
						for _, trial := range a.Trials {
							t.Logf("%.1f %.0f of %.0f s: %s %s", trial.At, trial.Seconds, trial.Planned, trial.Verdict, trial.Why)
						}
					}
					if took > 10*time.Minute {
						t.Errorf("it took %s", took)
					}
				})
				os.RemoveAll(dir)
			}
			t.Logf("| %s | %d | %s", name, seeds, all.row())
			if all.wrong > seeds/20 || all.wide > 0 {
				t.Errorf("%d of %d brackets exclude the truth, %d are too wide", all.wrong, seeds, all.wide)
			}
		})
	}
}

// tally sums up the searches of a kind of target.
type tally struct {
	wrong, wide            int
	widths, minutes, trial []float64
}

// add takes an answer, and says whether it is as it should be.
func (y *tally) add(b built, a *Answer, took time.Duration) bool {
	y.minutes, y.trial = append(y.minutes, took.Minutes()), append(y.trial, float64(len(a.Trials)))
	right, narrow := b.holds(a), a.Answer == Bracket && a.Upper.At <= a.Lower.At*1.0501
	if !right {
		y.wrong++
	}
	if !narrow {
		y.wide++
	}
	if a.Answer == Bracket {
		y.widths = append(y.widths, 100*(a.Upper.At/a.Lower.At-1))
	}
	return right && narrow
}

// row is a row of the table in docs/capacity.md, behind the kind and the number of seeds.
func (y *tally) row() string {
	span := func(v []float64, format string) string {
		if len(v) == 0 {
			return "none"
		}
		slices.Sort(v)
		return fmt.Sprintf(format+" to "+format, v[0], v[len(v)-1])
	}
	return fmt.Sprintf("%d | %s %% | %s | %s |", y.wrong, span(y.widths, "%.1f"), span(y.trial, "%.0f"), span(y.minutes, "%.1f"))
}

// A trial of the shortest length sees a backlog grow where the gates see nothing: only the share of errors is looked at, and an
// operation may take as long as it wants.
func TestShortestTrialsSeeABacklog(t *testing.T) {
	tier.Slow(t, "searches of some minutes in virtual time")
	for seed := range uint64(tier.Rounds(t, *rounds, 1)) {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := families["workers"](rand.New(rand.NewPCG(seed, 7)))
			b.gate, b.trial = "a.p99 < 20s", Shortest
			a, _ := searched(t, b, dir, true)
			if a.Lower == nil || a.Lower.At > b.truth*1.03 || a.Upper == nil || a.Upper.At < b.truth*0.99 {
				t.Errorf("seed %d, truth %.1f: %s", seed, b.truth, a.Why)
			}
		})
	}
}

// A target that is overloaded by the lowest load answers the warm-up for a while, and then nothing: it is not dead. A gate on the capacity
// is open: it may have died since.
func TestOverloadedAtTheLowestLoad(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := built{make: func() target { return &patient{service: 20 * time.Millisecond} }, truth: 50, from: 125}
		a, _ := searched(t, b, dir, true)
		if a.Answer != Below || len(a.Trials) != 1 || a.Upper == nil || a.Upper.At != 125 || a.Upper.Certain || !strings.Contains(a.Why, "a: failed at 125/s") {
			t.Errorf("%d trials: %s", len(a.Trials), a.Why)
		}
	})
}

// Where the time is over the best bracket is the answer, which says so. No gate on the capacity is decided by bounds that are not
// certain.
func TestBestBracketWithin(t *testing.T) {
	tier.Slow(t, "a search of some minutes in virtual time")
	for _, within := range []time.Duration{time.Minute, 3 * time.Minute} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := built{make: func() target { return newWorkers(1, fixed(20*time.Millisecond)) }, truth: 50, within: within}
			a, took := searched(t, b, dir, true)
			if !b.holds(a) || a.Lower == nil || took > within+scenarios.DefaultTimeout || !strings.Contains(a.Why, "the time of "+within.String()+" is over, and the bracket is not as narrow as asked") {
				t.Errorf("%s: %s", took, a.Why)
			}
			if want := map[bool]int{true: reports.ExitPass, false: reports.ExitInconclusive}[a.Answer == Bracket]; a.Exit != want {
				t.Errorf("exit %d, %s: %s", a.Exit, a.Answer, a.Why)
			}
		})
	}
}

// A target that tips over at the second load that is tried passes at the first in either state. Above its new capacity it answers nothing
// at all. Neither is taken for its capacity.
func TestTipsOverAtOnce(t *testing.T) {
	tier.Slow(t, "searches of some minutes in virtual time")
	for _, seed := range []uint64{8, 15} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := families["tips over"](rand.New(rand.NewPCG(seed, 7)))
			if a, _ := searched(t, b, dir, true); !b.holds(a) || a.Answer != Bracket {
				t.Errorf("seed %d, truth %.1f: %s", seed, b.truth, a.Why)
			}
		})
	}
}

// Without a way to bring it back, a target that tips over ends the search with the bracket reached so far, which holds the truth.
func TestTipsOverAndStaysSo(t *testing.T) {
	tier.Slow(t, "a search of some minutes in virtual time")
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := built{make: func() target { return newTipping(1, 20*time.Millisecond) }, truth: 50} // the first load that is too high is 80/s
		a, _ := searched(t, b, dir, false)
		if !b.holds(a) || a.Lower == nil || !strings.Contains(a.Why, "--reset") {
			t.Errorf("the truth is %.1f: %s", b.truth, a.Why)
		}
	})
}
