package compare

import (
	"encoding/json"
	"io"
	"math"
	"strings"

	"wringer/reports"
)

// Schema names the answer's format.
const Schema = "wringer.compare/v1"

// The verdicts on a metric.
const (
	Worse      = "worse"
	Better     = "better"
	Same       = "same"
	CannotTell = "cannot tell"
)

// What an answer says where no judged metric is worse. NothingTold: some could not be told, or one that is not judged got worse.
const (
	NothingWorse = "nothing is worse"
	NothingTold  = "no judged metric is known to be worse"
)

// The exit codes of an answer.
const (
	ExitFine          = reports.ExitPass         // no judged metric is known to be worse
	ExitWorse         = reports.ExitFail         // something is worse
	ExitUntold        = reports.ExitInconclusive // no judged metric could be told, or a defect is new in some of the runs
	ExitNotComparable = reports.ExitUsage        // the runs are not comparable, or usage
)

// Answer is what a comparison found. Ratios are fractions: 0.05 is 5 %.
type Answer struct {
	Schema string `json:"schema"`
	// Comparable is false where a difference matters. Then Changes is empty.
	Comparable bool `json:"comparable"`
	// Differences are those of load, duration, faults or scenario, whether they matter or not. The ones that matter come first.
	Differences []string `json:"differences"`
	// Matters is the number of Differences that matter.
	Matters int    `json:"differences_that_matter"`
	Why     string `json:"why"` // the answer in a sentence
	// Runs counts the runs that are compared.
	Runs Counts `json:"runs"`
	// Inputs are all runs that were named, in order.
	Inputs  []Input  `json:"inputs"`
	Changes []Change `json:"changes"` // the judged metrics, and counts of defects that rose from 0
	Shown   []Value  `json:"shown"`   // values without a verdict
	Notes   []string `json:"notes"`   // sentences about how to read the answer
	// Effect is the smallest change that counts, Alpha the chance of a false alarm over all judged metrics, Confidence that of the intervals.
	Effect     float64 `json:"effect"`
	Alpha      float64 `json:"alpha"`
	Confidence float64 `json:"confidence"`
	Exit       int     `json:"exit"`
}

// Counts are numbers of runs.
type Counts struct {
	Base int `json:"base"`
	New  int `json:"new"`
}

// The sides of a comparison.
const (
	BaseSide = "base"
	NewSide  = "new"
)

// Input is one run as it was named.
type Input struct {
	Side    string          `json:"side"` // base or new
	Path    string          `json:"path"`
	Name    string          `json:"name"`
	ID      string          `json:"id"`
	Version string          `json:"version"`
	Verdict reports.Verdict `json:"verdict"` // of the run itself
	// LeftOut is the reason why the run is not compared; empty: it is.
	LeftOut string `json:"left_out,omitempty"`
}

// Value is a metric of both sides. A side is the median of its runs; null: it is not known, or lies beyond every measured value.
type Value struct {
	Stream string   `json:"stream"`
	Window *string  `json:"window"` // null: the whole run
	Metric string   `json:"metric"` // with its argument: within(250ms)
	Second bool     `json:"in_every_second,omitempty"`
	Unit   string   `json:"unit"`
	Base   *float64 `json:"base"`
	New    *float64 `json:"new"`
	// Change is (New - Base) / Base; null where Base is 0 or unknown.
	Change *float64 `json:"change"`
	// BaseBeyond and NewBeyond say that the median lies beyond every measured value: no answer.
	BaseBeyond bool `json:"base_beyond,omitempty"`
	NewBeyond  bool `json:"new_beyond,omitempty"`
	// Samples are the values of the runs, for pictures. null: beyond every measured value.
	Samples *Samples `json:"samples,omitempty"`
}

// Samples are the values of the runs of both sides, ascending.
type Samples struct {
	Base []*float64 `json:"base"`
	New  []*float64 `json:"new"`
}

// Change is a judged metric.
type Change struct {
	Value
	// Shift is the Hodges-Lehmann estimate of the change, in parts of Base: what the verdict is judged on. Low and High are the ends of
	// its interval. All are null where Base is 0 or unknown, and with too few runs.
	Shift *float64 `json:"shift"`
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	// P is of the rank test; null with too few runs a side. Adjusted is P after Holm's correction over the judged family.
	P        *float64 `json:"p"`
	Adjusted *float64 `json:"p_adjusted"`
	Better   string   `json:"better"` // lower, higher, or empty: neither
	Verdict  string   `json:"verdict"`
	Why      string   `json:"why,omitempty"`
	// RunsNeeded is about how many runs a side would tell, with the spread that was seen; null: it was told, or no number would do.
	RunsNeeded *int `json:"runs_needed,omitempty"`
}

// Name is the metric with its stream: orders.p99. A metric of a link has no stream.
func (v *Value) Name() string {
	if v.Stream == "" {
		return v.Metric
	}
	return v.Stream + "." + v.Metric
}

// Scope is the part of the run in words: whole run, during baseline.
func (v *Value) Scope() string {
	scope := "whole run"
	if v.Window != nil {
		scope = "during " + *v.Window
		if strings.HasPrefix(*v.Window, "after ") {
			scope = *v.Window
		}
	}
	if v.Second {
		scope += ", in every second"
	}
	return scope
}

// Unanswered is the answer of a command that has none.
func Unanswered(exit int, why string) *Answer {
	return (&Answer{Why: why, Differences: []string{why}, Matters: 1, Exit: exit}).filled()
}

// filled puts empty lists in place of nil ones.
func (a *Answer) filled() *Answer {
	a.Schema = Schema
	a.Differences, a.Inputs, a.Changes = list(a.Differences), list(a.Inputs), list(a.Changes)
	a.Shown, a.Notes = list(a.Shown), list(a.Notes)
	return a
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// WriteJSON writes the answer.
func WriteJSON(w io.Writer, a *Answer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(a)
}

// finite is the value for JSON; nil: it is not known, or beyond every measured one.
func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}
