package sections_test

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
	"wringer/reports/sections"
)

// sentences are the rows of the changes, by window and stream.
func sentences(run *reports.Run) map[string]string {
	s := sections.Changes(run)
	all := make(map[string]string)
	for i := range s.Rows {
		r := &s.Rows[i]
		all[r.Label+" "+r.Cells[0].Text] = strings.Join([]string{r.Cells[1].Text, r.Cells[2].Text, r.Cells[3].Text}, " | ")
	}
	return all
}

func TestChangesAreSaidInWords(t *testing.T) {
	got := sentences(recordtest.Fail().Run)
	for row, want := range map[string][]string{
		"lost-answers orders":       {"p99 no answer (baseline 1", "errors (baseline 0 %)", "12 lost", "200 effect duplicates", "bad from the first second on"},
		"after lost-answers orders": {"12 effect duplicates", "did not recover, bad after the fault was gone"},
		"slow-broker orders, stock": {"as in the baseline, no errors", "orders: 0 lost; stock: not measured"},
		"slow-broker payments":      {"p99 13.9 times the baseline: 100 ms in place of 7.2 ms"},
	} {
		for _, part := range want {
			if !strings.Contains(got[row], part) {
				t.Errorf("%s: %q lacks %q", row, got[row], part)
			}
		}
	}
	for row := range got {
		if strings.HasPrefix(row, "baseline ") || strings.HasPrefix(row, "drain ") {
			t.Errorf("%s is compared with the baseline", row)
		}
	}
}

// What was not measured is not called 0, and a stream without a baseline is compared with nothing.
func TestChangesClaimNothingThatWasNotMeasured(t *testing.T) {
	run := recordtest.Inconclusive().Run
	found := false
	for row, got := range sentences(run) {
		if stream, after := strings.CutPrefix(row, "after lost-answers "); after && strings.Contains(stream, "orders") {
			found = true
			if !strings.Contains(got, "lost not known") || strings.Contains(got, "orders: 0 lost") {
				t.Errorf("lost is not known: %q", got)
			}
		}
	}
	if !found {
		t.Error("the window is missing")
	}
	for _, s := range run.Streams {
		delete(s.Windows, "baseline")
	}
	if s := sections.Changes(run); !s.Empty() {
		t.Errorf("changes without a baseline: %+v", s.Rows)
	}
}
