package sections

import (
	"slices"
	"strings"
	"testing"

	"wringer/reports"
)

// A stream with two places shows both side by side, names the one with the duplicate, and says what the other cannot tell.
func TestPlaces(t *testing.T) {
	n := func(v int64) *int64 { return &v }
	counts := func(duplicates int64) reports.PlaceMeasures {
		return reports.PlaceMeasures{Integrity: &reports.Integrity{Acked: n(10), Seen: n(10), Lost: n(0), Unseen: n(0), EffectDuplicates: n(duplicates), ExtraCopies: n(duplicates)}}
	}
	windows := func(m reports.PlaceMeasures) map[string]*reports.PlaceMeasures {
		return map[string]*reports.PlaceMeasures{"baseline": &m}
	}
	one, two := counts(0), counts(3)
	total := reports.Measures{Counts: reports.Counts{Offered: 10, Sent: 10, Acked: 10}, Integrity: two.Integrity, Saga: &reports.Saga{Violations: n(1), Compensated: n(2)}}
	run := &reports.Run{
		Windows: []reports.Window{{Name: "baseline", EndNS: 1e9}},
		Streams: map[string]*reports.Stream{"orders": {
			Driver: "rest", Model: "open", Effects: "ledger, log", Total: total, Windows: map[string]*reports.Measures{"baseline": &total},
			Places: []reports.Place{
				{Name: "ledger", Kind: "sql", At: "postgres db", Total: one, Windows: windows(one), Unmeasured: map[string]string{"order_violations": "it is read whole"}},
				{Name: "log", Kind: "file", At: "lines of x.log", Total: two, Windows: windows(two), Unread: "it was cut"},
			},
		}},
	}
	var names []string
	for _, s := range For(run, "orders") {
		names = append(names, s.Name)
		switch s.Name {
		case NamePlaces:
			column := slices.IndexFunc(s.Head, func(c Column) bool { return c.Name == "effect duplicates" }) - 1
			if a, b := s.Rows[0].Cells[column], s.Rows[1].Cells[column]; a.Text != "0" || b.Text != "3" || b.State != Bad || s.Rows[1].Label != "log" {
				t.Errorf("duplicates %+v and %+v", a, b)
			}
			notes := strings.Join(s.Notes, "\n")
			for _, want := range []string{"ledger: order violations is not measured: it is read whole", "log was not read to its end, so what was not seen there is not known: it was cut"} {
				if !strings.Contains(notes, want) {
					t.Errorf("%q is not told: %s", want, notes)
				}
			}
		case NameSaga:
			if c := s.Rows[len(s.Rows)-1].Cells[0]; c.Text != "1" || c.State != Bad {
				t.Errorf("violations %+v", c)
			}
		}
	}
	if got := strings.Join(names, " "); !strings.Contains(got, "integrity places place place saga") {
		t.Errorf("sections %s", got)
	}
	if rows := Integrity(run).Rows; len(rows) == 0 || !strings.Contains(rows[0].Cells[2].Text, "(3 in log)") {
		t.Errorf("the place is not named: %+v", rows)
	}
}
