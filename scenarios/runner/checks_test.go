package runner

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/checktest"
	"wringer/reports/html"
	"wringer/reports/markdown"
	"wringer/reports/metric"
	"wringer/reports/recordtest"
	"wringer/reports/text"
	"wringer/scenarios"
)

// A check with its own package needs one line in the table of checks. Then the gates, the record and every report have its
// metrics.
func TestCheckOfItsOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := &memory{do: func(ctx context.Context, env *drivers.Env, op *drivers.Op, at *drivers.Attempt) {
			if op.Seq >= 5 && op.Seq < 12 || op.Seq == 30 {
				at.Fail(drivers.Rejected, "http_400", "")
				return
			}
			ack(ctx, at, time.Duration(op.Seq%7)*30*time.Millisecond)
		}}
		sc := scenario(t, scenarios.Timing{Duration: 5 * time.Second}, []scenarios.Stream{openStream("a", 10, m)}, "a.errors < 50%")
		language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{checktest.ErrorRun}}
		catalogue, err := language.Catalogue()
		if err != nil {
			t.Fatal(err)
		}
		sc.Metrics, sc.Checks = catalogue, language.Checks
		for _, expr := range []string{"a.error_run < 5", "a.error_run <= 7 during baseline"} {
			g, err := scenarios.ParseGate(expr, catalogue)
			if err != nil {
				t.Fatal(err)
			}
			sc.Expect = append(sc.Expect, g)
		}
		dir := t.TempDir()
		run := mustRun(t, t.Context(), sc, Options{Dir: dir})
		if got := gateVerdicts(run); got != "errors pass, error_run fail, error_run pass" {
			t.Errorf("gates: %s", got)
		}
		if g := run.Gates[1]; g.Observed == nil || *g.Observed != 7 || g.Unit != metric.Count || g.Why != "violated: 7 during baseline" {
			t.Errorf("gate: %+v", g)
		}
		rec, err := reports.Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if d := rec.Run.Checks; len(d) != 1 || d[0].Name != "error_run" || d[0].Unit != "count" || d[0].Better != reports.Lower {
			t.Errorf("the record describes %+v", d)
		}
		if n := rec.Run.Streams["a"].Windows["baseline"].Count("error_run"); n == nil || *n != 7 {
			t.Errorf("the record counts %v", n)
		}
		for name, render := range map[string]func(io.Writer, *reports.Record) error{
			"text":     func(w io.Writer, rec *reports.Record) error { return text.Render(w, rec, text.Options{}) },
			"load":     func(w io.Writer, rec *reports.Record) error { return text.RenderLoad(w, rec, text.Options{}) },
			"markdown": markdown.Render,
			"html":     html.Render,
		} {
			var out bytes.Buffer
			if err := render(&out, rec); err != nil {
				t.Fatal(err)
			}
			if said := out.String(); !strings.Contains(said, "a.error_run &lt; 5") && !strings.Contains(said, "a.error_run < 5") || !strings.Contains(said, "error run") {
				t.Errorf("%s does not tell the check:\n%.6000s", name, said)
			}
		}
	})
}

// mute is a check that finds nothing out.
type mute struct{}

func (mute) Finish(reports.Completeness) reports.Findings { return reports.Findings{} }

// A gate on a count that its check does not tell is inconclusive, over the run, a phase and the baseline around it.
func TestCheckThatTellsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sc := scenario(t, scenarios.Timing{Duration: 4 * time.Second}, []scenarios.Stream{openStream("a", 10, prompt())}, "a.errors == 0")
		untested := func(*metric.Facts, int64) string { return "" }
		language := scenarios.Language{Metrics: recordtest.Metrics(), Checks: []metric.Check{{
			Metrics: metric.Counts([]metric.Metric{{Name: "silence", Better: metric.Lower}}, untested),
			Open:    func(reports.CheckConfig) reports.Check { return mute{} },
		}}}
		catalogue, err := language.Catalogue()
		if err != nil {
			t.Fatal(err)
		}
		sc.Metrics, sc.Checks = catalogue, language.Checks
		sc.Phases = []scenarios.Phase{{Name: "p", At: time.Second, For: time.Second}}
		for _, scope := range []string{"", " during p", " during baseline"} {
			g, err := scenarios.ParseGate("a.silence == 0"+scope, catalogue)
			if err != nil {
				t.Fatal(err)
			}
			sc.Expect = append(sc.Expect, g)
		}
		run := mustRun(t, t.Context(), sc, Options{})
		if got := gateVerdicts(run); got != "errors pass, silence inconclusive, silence inconclusive, silence inconclusive" || run.Verdict != reports.Inconclusive {
			t.Errorf("%s: %s", run.Verdict, got)
		}
	})
}
