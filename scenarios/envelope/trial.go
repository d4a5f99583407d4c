package envelope

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity"
	"wringer/scenarios/capacity/search"
	"wringer/scenarios/runner/judge"
)

// Trial is one run at one load and one intensity.
type Trial struct {
	Load     float64  `json:"load"`  // that was asked for, over the scaled streams
	At       float64  `json:"at"`    // the intensity, in the axis' unit
	Value    string   `json:"value"` // the intensity as a scenario writes it
	Rate     float64  `json:"rate"`  // offered a second, as measured
	Seconds  float64  `json:"seconds"`
	Verdict  string   `json:"verdict"`
	Achieved *float64 `json:"achieved"` // acked a second
	// Unfit: the target did not bear the load before anything was broken.
	Unfit  bool     `json:"unfit,omitempty"`
	Why    string   `json:"why"`
	Limit  *Limit   `json:"limit"` // what gave way first; null: nothing
	CPU    *float64 `json:"cpu,omitempty"`
	Record string   `json:"record,omitempty"`

	step           int
	p50            *float64 // of the slowest of the scaled streams; nil: no answer
	disturbed      bool     // the load generator was saturated, or the machine was busy, in some second
	offered, acked int64
}

// Limit is a gate that gave way.
type Limit struct {
	Gate     string   `json:"gate"`
	Observed *float64 `json:"observed"`
	Limit    *float64 `json:"limit"`
	Text     string   `json:"text"`
}

// result is the verdict in the terms of the search.
func (t *Trial) result() search.Result {
	switch t.Verdict {
	case string(reports.Pass):
		return search.Passed
	case string(reports.Fail):
		return search.Failed
	}
	return search.Undecided
}

// newTrial reads what a run showed: the gates judge. A target that answers and is not healthy before anything was broken does not bear
// the load.
func newTrial(streams []string, run *reports.Run) *Trial {
	t := &Trial{Seconds: time.Duration(run.DurationNS).Seconds(), Verdict: string(run.Verdict), CPU: run.Validity.CPU}
	if len(run.Why) > 0 {
		t.Why = run.Why[0]
	}
	for _, name := range streams {
		if of := run.Streams[name]; of != nil { // nil: nothing could be opened
			t.offered, t.acked = t.offered+of.Total.Offered, t.acked+of.Total.Acked
			t.disturbed = t.disturbed || slices.ContainsFunc(of.Seconds, func(row reports.Second) bool { return row.Limited || row.Busy })
			if r := of.Total.Response; r != nil && r.P50 != nil && (t.p50 == nil || *r.P50 > *t.p50) {
				t.p50 = r.P50
			}
		}
	}
	if t.Seconds > 0 {
		t.Rate = float64(t.offered) / t.Seconds
		t.Achieved = new(float64(t.acked) / t.Seconds)
	}
	if run.Verdict == reports.Inconclusive && t.acked > 0 && strings.HasPrefix(t.Why, judge.NotHealthy) {
		t.Verdict, t.Unfit = string(reports.Fail), true
		t.Limit = &Limit{Gate: "healthy", Text: t.Why}
		return t
	}
	if i := slices.IndexFunc(run.Gates, func(g reports.Gate) bool { return g.Verdict == reports.Fail }); i >= 0 {
		g := &run.Gates[i]
		observed, limit := reports.GateValues(g)
		t.Limit = &Limit{Gate: g.Expr, Observed: g.Observed, Limit: g.Limit, Text: fmt.Sprintf("%s (%s, limit %s)", g.Expr, observed, limit)}
	}
	return t
}

// Player plays steps on one target, as for capacity.
type Player = capacity.Player
