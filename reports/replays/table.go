package replays

import (
	"fmt"

	"wringer/reports/metric"
)

// Metrics is the table of the outcomes of replays. reports.Replays defines each.
var Metrics = metric.Counts([]metric.Metric{
	{Name: "replays", Adds: true, Needs: replayed, Better: metric.Neither, About: "Acked operations that were sent again."},
	{Name: "replay_violations", Needs: replayed, Better: metric.Lower, About: "Replays with another result, or with a second one."},
	{Name: "replay_deviations", Needs: replayed, Better: metric.Lower, About: "Changed replays that were refused with a status other than 422."},
	{Name: "replays_undecided", Needs: replayed, Better: metric.Lower, About: "Replays without an answer, or with an answer that decides nothing."},
	{Name: "replays_skipped", Needs: replayed, Better: metric.Lower, About: "Operations chosen for a replay that were not sent again."},
}, untested)

var replayed = metric.Needs{Sending: metric.Replay, Consuming: metric.Operations}

// untested gives the reason why a count shows nothing: no replay was sent, or none was decided.
func untested(f *metric.Facts, n int64) string {
	r := f.Measures.Replays
	if r.Sent == 0 {
		return "nothing was replayed"
	}
	decides := f.Metric.Name == "replay_violations" || f.Metric.Name == "replay_deviations"
	if kind := r.Open(); kind != "" && n == 0 && decides {
		return fmt.Sprintf("no %s replay was decided", kind)
	}
	return ""
}
