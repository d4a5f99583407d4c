package runner

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// slowTarget is a target whose start waits for two things, one of which fails first.
type slowTarget struct{ countedTarget }

func (s slowTarget) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	_ = env.Timed("pull", "image", func() error { return errors.New("no registry") })
	_ = env.Timed("pull", "image", func() error { time.Sleep(2 * time.Second); return nil })
	_ = env.Timed("start", "x", func() error { time.Sleep(3 * time.Second); return nil })
	return s.countedTarget.Start(ctx, env)
}

// The record tells what the start took, apart from the run. Who watches hears of it as before.
func TestTheRecordTellsWhatTheStartTook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Target, sc.TargetName = slowTarget{newCountedTarget()}, "slow"
		heard := 0
		run, err := Run(t.Context(), sc, Options{
			Dir: filepath.Join(t.TempDir(), "run"), Network: faults.Network{Virtual: true}, Starting: func(scenarios.StartStep) { heard++ },
		})
		if err != nil {
			t.Fatal(err)
		}
		recordtest.Valid(t, run)
		want := []reports.Startup{{Verb: "pull", What: "image", TookNS: 2e9}, {Verb: "start", What: "x", TookNS: 3e9}}
		if !slices.Equal(run.Startup, want) || heard != 5 || run.DurationNS != 1e9 {
			t.Errorf("startup %+v, heard %d steps, measured %d ns", run.Startup, heard, run.DurationNS)
		}
	})
}
