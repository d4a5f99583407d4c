package runner

import (
	"context"
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
	ended *bool
}

func (m mortalTarget) Start(ctx context.Context, env scenarios.TargetEnv) (scenarios.Target, error) {
	t, err := m.countedTarget.Start(ctx, env)
	return mortal{t, m.ended}, err
}

type mortal struct {
	scenarios.Target
	ended *bool
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
	return []scenarios.Death{{Part: "web", Text: "process web ended by itself: exit status 3", At: time.Now()}}
}

// A part that ends after the drain, while the run is concluded, fails the run as one that ends before.
func TestPartEndsWhileTheRunIsConcluded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ended := false
		sc := scenario(t, scenarios.Timing{Duration: time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		sc.Target, sc.TargetName = mortalTarget{newCountedTarget(), &ended}, "mortal"
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
