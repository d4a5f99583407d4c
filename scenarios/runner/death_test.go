package runner

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
	"wringer/scenarios"
)

// mortalTarget has a part that ends when told.
type mortalTarget struct {
	countedTarget
	ended  *bool
	wentOn bool
}

func (m mortalTarget) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	t, err := m.countedTarget.Start(ctx, env)
	return mortal{t, m.ended, m.wentOn}, err
}

type mortal struct {
	scenarios.Target
	ended  *bool
	wentOn bool
}

func (m mortal) Events() (all []string) {
	for _, d := range m.Deaths() {
		all = append(all, d.Text)
	}
	return all
}

func (m mortal) Deaths() []scenarios.Death {
	if !*m.ended {
		return nil
	}
	return []scenarios.Death{{Part: "web", Text: "process web ended by itself: exit status 3", At: time.Now(), WentOn: m.wentOn}}
}

// A part that ends after the drain, while the run is concluded, fails the run as one that ends before.
func TestPartEndsWhileTheRunIsConcluded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := false
		sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Target, sc.TargetName = mortalTarget{newCountedTarget(), &ended, false}, "mortal"
		language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{{
			Metrics: metric.Counts([]metric.Metric{{Name: "oddity", Better: metric.Lower}}, func(*metric.Facts, int64) string { return "" }),
			Open:    func(reports.CheckConfig) reports.Check { return faulty{in: "Finish", do: func() { ended = true }} },
		}}}
		catalogue, err := language.Catalogue()
		if err != nil {
			t.Fatal(err)
		}
		sc.Metrics, sc.Checks = catalogue, language.Checks
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Fail || !strings.Contains(strings.Join(run.Why, " "), "ended by itself") {
			t.Errorf("%s %q", run.Verdict, run.Why)
		}
	})
}

// Processes that end in a part that goes on are a finding with its time, and fail no run.
func TestPartThatGoesOn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Target, sc.TargetName = mortalTarget{newCountedTarget(), new(true), true}, "mortal"
		run := mustRun(t, t.Context(), sc, Options{})
		if run.Verdict != reports.Pass || len(run.Findings) != 1 {
			t.Fatalf("%s %q %+v", run.Verdict, run.Why, run.Findings)
		}
		if f := run.Findings[0]; f.Kind != reports.PartStarved || f.Part != "web" || f.AtNS == nil {
			t.Errorf("%+v", f)
		}
	})
}

// slowToClose takes longer than others to close.
type slowToClose struct{ left *time.Duration }

func (slowToClose) CloseWithin() time.Duration { return time.Minute }

func (s slowToClose) Close(ctx context.Context) error {
	end, _ := ctx.Deadline()
	*s.left = time.Until(end)
	time.Sleep(50 * time.Second)
	return ctx.Err()
}

// A target that is slow to close gets its time.
func TestSlowToClose(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var left time.Duration
		c := closers{log: slog.New(slog.DiscardHandler)}
		c.limited(slowToClose{&left})
		if err := c.close(); err != nil || left != time.Minute {
			t.Errorf("%v, %v", err, left)
		}
	})
}
