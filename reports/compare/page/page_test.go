package page

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"wringer/reports"
	"wringer/reports/compare"
	"wringer/reports/recordtest"
)

// runs are copies of a sample, each with an identity of its own.
func runs(rec *reports.Record, n int, side string) (all []*compare.Run) {
	for i := range n {
		r := *rec.Run
		r.ID, r.Started = fmt.Sprint(side, i), time.Unix(int64(i), 0)
		r.Validity = reports.Validity{Verdict: reports.Valid}
		all = append(all, &compare.Run{Path: fmt.Sprintf("runs/%s-%d", side, i), Record: &r})
	}
	return all
}

func rendered(t *testing.T, base, fresh []*compare.Run) string {
	t.Helper()
	a := compare.Compare(base, fresh, compare.Options{Catalogue: recordtest.Catalogue(), Effect: 0.05})
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := Render(b, a, base, fresh); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("two pages of one answer differ")
	}
	return first.String()
}

// The page holds the judged metrics with a mark for each run, the curves of both sides and all values. Nothing leaves it.
func TestPage(t *testing.T) {
	text := rendered(t, runs(recordtest.Pass(), 6, "base"), runs(recordtest.Pass(), 6, "new"))
	for _, want := range []string{
		"nothing is worse", "orders.p99 <small>during baseline", `"from":[`, `"low":[`, "6 runs of base above, 6 of new below", `data-kind="distribution"`, "default-src &#39;none&#39;",
		"runs/new-5",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Count(text, `class="base" x1`) != 6*6 {
		t.Errorf("%d marks", strings.Count(text, `class="base" x1`))
	}
	for _, not := range []string{"ZgotmplZ", "NaN", `src="`, "@import"} {
		if strings.Contains(text, not) {
			t.Errorf("the page holds %q", not)
		}
	}
}

// Hostile names stay text.
func TestHostileNames(t *testing.T) {
	text := rendered(t, runs(recordtest.Hostile(), 4, "base"), runs(recordtest.Hostile(), 4, "new"))
	if strings.Contains(text, "<script>alert") || strings.ContainsAny(text, "\x00\x1b") || !strings.Contains(text, "&lt;/script&gt;") {
		t.Error("a name became markup")
	}
}

// Records without seconds, and an answer without runs, give a page.
func TestEmptyPages(t *testing.T) {
	rec := recordtest.Pass()
	for _, r := range append(runs(rec, 1, "a"), runs(rec, 1, "b")...) {
		for _, s := range r.Record.Streams {
			s.Seconds, s.Histogram = nil, nil
		}
		r.Record.DurationNS = -1
	}
	rendered(t, runs(rec, 1, "base"), runs(rec, 1, "new"))
	var b bytes.Buffer
	if err := Render(&b, compare.Unanswered(3, "why <b>"), nil, nil); err != nil || !strings.Contains(b.String(), "why &lt;b&gt;") {
		t.Errorf("%v", err)
	}
}

// A long run has few points, and the worst second of each.
func TestCurvesAreBounded(t *testing.T) {
	s := &reports.Stream{}
	for i := range int64(86_400) {
		row := reports.Second{StartNS: i * 1e9, P99NS: new(int64(1e6))}
		row.Acked = 100
		if i == 40_000 {
			row.P99NS = new(int64(9e9))
		}
		s.Seconds = append(s.Seconds, row)
	}
	run := &compare.Run{Record: &reports.Run{DurationNS: 86_400e9, Streams: map[string]*reports.Stream{"a": s}}}
	c := newStream("id", "a", 86_400, []*compare.Run{run}, nil)
	worst := 0.0
	for _, v := range c.Base.P99 {
		worst = max(worst, *v)
	}
	if len(c.Time) > mostPoints || worst != 9000 || *c.Base.Acked[7] != 100 {
		t.Errorf("%d points, worst %v ms, %v/s", len(c.Time), worst, *c.Base.Acked[7])
	}
}
