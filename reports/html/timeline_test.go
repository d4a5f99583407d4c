package html

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

// pinned are the texts of the marks of a row.
func pinned(rec *reports.Record, row string) string {
	var all []string
	for _, r := range newTimeline(rec, newEvidence(rec)).Rows {
		if r.Name == row {
			for _, p := range r.Pins {
				all = append(all, p.Sign+" "+p.Text+" "+p.Href)
			}
		}
	}
	return strings.Join(all, "\n")
}

func TestFindingsAreMarkedOnTheTimeline(t *testing.T) {
	starved, at := recordtest.Parts(), int64(13e9)
	starved.Run.Findings = append(starved.Run.Findings, reports.Finding{Kind: reports.PartStarved, Part: "stock", AtNS: &at, Text: "two processes"})
	for name, c := range map[string]struct {
		rec  *reports.Record
		row  string
		want []string
	}{
		"kept evidence":           {recordtest.Fail(), "orders", []string{"L lost at 26.031 s #evidence-0", "O order violation at 26.25 s #evidence-1", "times effect duplicate from 25 s on #evidence-2"}},
		"requests on a link":      {recordtest.Links(), "orders->stock", []string{"D arrived twice at 12.1 s #evidence-3"}},
		"a part":                  {recordtest.Parts(), "stock", []string{"E stock ended by itself at 12 s #findings", "R stock restarted before"}},
		"processes of a part":     {starved, "stock", []string{"E stock was short of memory, and processes in it ended from 13 s on #findings"}},
		"members and blocks":      {recordtest.Consuming(), "shipments", []string{"M member 1: leave at 0 s", "M 1 rebalance in baseline", "B connection 1 blocked at 2 s: low on memory"}},
		"a fault without effect":  {recordtest.Inconclusive(), "payments", []string{"! slow-broker touched no traffic", "#faults"}},
		"a fault that stays":      {recordtest.Inconclusive(), "orders", []string{"! lost-answers was not healed"}},
		"counts without evidence": {recordtest.Consuming(), "events", []string{"D", "log duplicates in lost-answers #stream-0"}},
	} {
		got := pinned(c.rec, c.row)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not among\n%s", name, want, got)
			}
		}
	}
	if got := pinned(recordtest.Pass(), "orders"); got != "" {
		t.Errorf("a run without findings has marks: %s", got)
	}
}

func TestEveryRowOfTheTimelineHasItsData(t *testing.T) {
	for name, rec := range map[string]*reports.Record{"links": recordtest.Links(), "parts": recordtest.Parts(), "consuming": recordtest.Consuming(), "a part that was not measured": recordtest.Fail()} {
		v := newView(rec)
		known := make(map[string]bool)
		for _, s := range v.Chart.Streams {
			known[s.ID] = true
		}
		for _, c := range append(v.Chart.Links, v.Chart.Parts...) {
			known[c.ID] = true
		}
		for _, r := range v.Timeline.Rows {
			if !known[r.ID] {
				t.Errorf("%s: row %s draws %s, which has no data", name, r.Name, r.ID)
			}
		}
	}
}

func TestTheStoryOfAnOperation(t *testing.T) {
	rec := recordtest.Fail()
	s := newStory(rec.Run, &rec.Violations[0])
	var got []string
	for _, step := range s.Steps {
		got = append(got, step.Time+" "+step.Class+" "+step.Text)
	}
	want := "26.03 s p1 due\n26.031 s l12 attempt 1\n26.531 s p1 indeterminate: timeout, no answer within 500ms\n26.548 s l12 attempt 2\n26.604 s l21 acked\nto the end p3 never seen"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if s.Steps[0].Faults != "lost-answers" || s.Steps[1].Faults != "" || !s.Steps[1].Within {
		t.Errorf("the fault is not told once: %+v", s.Steps[:2])
	}
	twice := newStory(rec.Run, &reports.Violation{Kind: "arrived_twice", Arrived: []reports.Sighting{{AtNS: 1e9}, {AtNS: 2e9, Origin: "connection 7"}}})
	if twice == nil || len(twice.Steps) != 2 || twice.Steps[1].Text != "arrived again on connection 7" || twice.Steps[1].Class != "p2" {
		t.Errorf("arrivals at the target: %+v", twice)
	}
	if newStory(rec.Run, &reports.Violation{Kind: "phantom"}) != nil {
		t.Error("a violation without times has a story")
	}
}

func TestGatesThatDidNotHoldHaveTheirCurve(t *testing.T) {
	run := recordtest.Fail().Run
	cards, held, _ := gates(run, nil)
	if len(cards)+len(held.Rows) != len(run.Gates) || len(held.Rows) != 2 {
		t.Fatalf("%d cards and %d rows of %d gates", len(cards), len(held.Rows), len(run.Gates))
	}
	for i, want := range []string{"p99 of the response time", "by window, at most 200", "by window, at most 12", "share of errors", "share of errors", "p99 of the response time"} {
		s := cards[i].Spark
		if s == nil || !strings.HasPrefix(s.Words, want) || s.Line == "" && len(s.Bars) == 0 {
			t.Errorf("%s: %+v, want %s", cards[i].Label, s, want)
		}
	}
	links := recordtest.Links().Run
	links.Gates = []reports.Gate{{Metric: "link(orders->stock).arrived_twice", Verdict: reports.Fail}, {Metric: "link(orders->stock).calls_per_operation", Stream: "orders", Verdict: reports.Fail}}
	if cards, _, _ := gates(links, nil); cards[0].Spark == nil || cards[0].Spark.Words != "by window, at most 7" || len(cards[0].Spark.Bars) == 0 || !strings.HasPrefix(cards[1].Spark.Words, "requests a second") {
		t.Errorf("gates of a link: %+v, %+v", cards[0].Spark, cards[1].Spark)
	}
	if s := cards[0].Spark; len(s.Windows) != 1 || s.Limit == "" {
		t.Errorf("the window or the limit is missing: %+v", s)
	}
}
