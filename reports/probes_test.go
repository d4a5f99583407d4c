package reports_test

import (
	"strings"
	"testing"

	"wringer/reports"
	"wringer/reports/recordtest"
)

func TestSumsOfProbes(t *testing.T) {
	recordtest.Valid(t, recordtest.Probed().Run)
	number := func(v int64) *int64 { return &v }
	witness := func(r *reports.Run) *reports.Witness { return r.Streams["orders"].Total.Witness }
	for want, spoil := range map[string]func(*reports.Run){
		"answered of the windows":         func(r *reports.Run) { witness(r).Answered = number(1) },
		"max_arrivals of the windows":     func(r *reports.Run) { witness(r).MaxArrivals = number(9) },
		"exceeds arrivals":                func(r *reports.Run) { witness(r).ArrivedCut = number(1 << 40) },
		"the witness has":                 func(r *reports.Run) { witness(r).AttemptsSent = number(1) },
		"hidden are not":                  func(r *reports.Run) { witness(r).HiddenArrivals = number(1) },
		"hidden_arrivals is below 0":      func(r *reports.Run) { witness(r).HiddenArrivals = number(-1) },
		"the kinds of replays do not add": func(r *reports.Run) { r.Streams["orders"].Total.Replays.Sent++ },
		"same replays of the windows":     func(r *reports.Run) { r.Streams["orders"].Windows["baseline"].Replays = nil },
		"skipped replays":                 func(r *reports.Run) { r.Streams["orders"].Total.Replays.Skipped = 7 },
		"changed replays sent are not": func(r *reports.Run) {
			k := r.Streams["orders"].Total.Replays.Kinds
			k["changed"] = reports.ReplayCounts{Sent: 9}
		},
	} {
		run := recordtest.Probed().Run
		spoil(run)
		if found := strings.Join(reports.Sums(run), "\n"); !strings.Contains(found, want) {
			t.Errorf("%q was not found; found:\n%s", want, found)
		}
	}
}

func TestReplaysThatShowNothing(t *testing.T) {
	decided := reports.NewReplays(map[string]reports.ReplayCounts{"changed": {Sent: 3, Honoured: 1, Violations: 2}, "same": {Sent: 1, Honoured: 1}}, 5)
	open := reports.NewReplays(map[string]reports.ReplayCounts{"same": {Sent: 2, Undecided: 2}}, 0)
	if decided.Open() != "" || open.Open() != "same" {
		t.Errorf("open: %q and %q", decided.Open(), open.Open())
	}
}
