package envelope

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
)

// Baseline is a saved answer that the new one is compared with, and what came of it.
type Baseline struct {
	File    string    `json:"file"`
	Started time.Time `json:"started"`
	// Tolerance is the share of the saved intensity that may be missing.
	Tolerance float64     `json:"tolerance"`
	Verdict   string      `json:"verdict"`
	Why       string      `json:"why"`
	Loads     []*Compared `json:"loads"` // ascending
}

// Compared is the comparison at one load. A bound that is not certain is null.
type Compared struct {
	Load    float64  `json:"rate"`
	Lower   *float64 `json:"lower"` // the saved ones
	Upper   *float64 `json:"upper"`
	Verdict string   `json:"verdict"`
	Why     string   `json:"why"`
}

// NewBaseline takes a saved answer, read from a file, as the baseline of a search in a scenario. tolerance is the share of the intensity
// that may be missing at each load, from 0 to below 1. It refuses an answer to another question: its bounds say nothing of this one. A load
// whose saved bounds are not certain has none.
func NewBaseline(file string, saved *Answer, tolerance float64, asked *Asked, sc *scenarios.Scenario) (*Baseline, error) {
	if !(tolerance >= 0 && tolerance < 1) {
		return nil, fmt.Errorf("a tolerance of %v: write a share from 0 to below 1, such as 0.2", tolerance)
	}
	if err := asked.same(saved, sc.Name); err != nil {
		return nil, err
	}
	want := searchedIn(sc, asked.Axis)
	switch {
	case !slices.Equal(saved.Search.Gates, want.Gates):
		return nil, fmt.Errorf("its gates are %s, and those of the scenario are %s: save a new baseline", strings.Join(saved.Search.Gates, "; "), strings.Join(want.Gates, "; "))
	case math.Abs(saved.Search.Trial-want.Trial) > 1e-6:
		return nil, fmt.Errorf("its trials lasted %s, and these last %s: longer trials see more", reports.Duration(saved.Search.Trial*1e9), reports.Duration(want.Trial*1e9))
	}
	b := &Baseline{File: file, Started: saved.Started, Tolerance: tolerance, Loads: []*Compared{}}
	known := false
	for _, load := range asked.Loads {
		i := slices.IndexFunc(saved.Frontier, func(r *Row) bool { return r.Load == load })
		if i < 0 {
			return nil, fmt.Errorf("it has nothing at %s; its loads are %s", asked.Scale.Text(load), asked.loadTexts(saved.loads()))
		}
		row := &Compared{Load: load}
		if r := saved.Frontier[i]; r.Answer != capacity.Inconclusive {
			row.Lower, row.Upper, known = r.Lower, r.Upper, true
		}
		b.Loads = append(b.Loads, row)
	}
	if !known {
		return nil, fmt.Errorf("it has no certain bound: %s", saved.Why)
	}
	return b, nil
}

// judge compares a frontier, of the same loads. One load that tolerates less for certain fails; all must tolerate enough to pass.
func (b *Baseline) judge(c *finder) {
	b.Verdict, b.Why = string(reports.Pass), ""
	for i, now := range c.answer.Frontier {
		row := b.Loads[i]
		row.judge(c, now, 1-b.Tolerance)
		switch v := row.Verdict; {
		case v == string(reports.Fail) && b.Verdict != v, v == string(reports.Inconclusive) && b.Verdict == string(reports.Pass):
			b.Verdict, b.Why = v, fmt.Sprintf("at %s %s", c.asked.Scale.Text(now.Load), row.Why)
		case b.Why == "":
			b.Why = fmt.Sprintf("at %s %s", c.asked.Scale.Text(now.Load), row.Why)
		}
	}
}

// judge compares what is tolerated at a load with what was. It is decided only where everything between the bounds, then and now, says the
// same. left is the share of the saved intensity that is needed.
func (r *Compared) judge(c *finder, now *Row, left float64) {
	axis := c.asked.Axis
	text := func(at *float64) string { return forPeople(writeQuantity(*at, axis.Unit)) }
	bad := func(at *float64) float64 { // how bad an intensity is: more is worse
		if axis.Less {
			return 1 / *at
		}
		return *at
	}
	wanted := func(at *float64) string {
		switch {
		case left == 1:
			return text(at)
		case axis.Less:
			return reports.Share(1/left) + " of " + text(at)
		}
		return reports.Share(left) + " of " + text(at)
	}
	r.Verdict = string(reports.Inconclusive)
	low, high := now.Lower, now.Upper
	switch {
	case now.Answer == capacity.Inconclusive:
		r.Why = "no bound is certain"
	case r.Lower == nil && r.Upper == nil:
		r.Why = "the baseline has no certain bound"
	case high != nil && r.Lower != nil && now.unfit:
		r.Verdict, r.Why = string(reports.Fail), "the load is too much without the fault, and "+text(r.Lower)+" was tolerated"
	case high != nil && r.Lower != nil && bad(high) <= left*bad(r.Lower):
		r.Verdict, r.Why = string(reports.Fail), fmt.Sprintf("it fails at %s, and %s is needed", text(high), wanted(r.Lower))
	case low != nil && r.Upper != nil && bad(low) >= left*bad(r.Upper):
		r.Verdict, r.Why = string(reports.Pass), fmt.Sprintf("%s is tolerated, and %s would be enough", text(low), wanted(r.Upper))
	case low != nil && r.Upper == nil && bad(low) >= bad(r.Lower):
		r.Verdict, r.Why = string(reports.Pass), fmt.Sprintf("%s is tolerated, and nothing worse than %s was tried for the baseline", text(low), text(r.Lower))
	case low != nil && r.Upper == nil:
		r.Why = fmt.Sprintf("the baseline tolerates at least %s, and how much more is not known", text(r.Lower))
	case low != nil && high == nil:
		r.Why = fmt.Sprintf("%s is tolerated, and nothing worse was tried: up to %s is needed", text(low), wanted(r.Upper))
	default:
		r.Why = "the bounds overlap"
	}
}

// text puts the comparison in words.
func (b *Baseline) text() string {
	return fmt.Sprintf("against the baseline: %s (%s)", b.Verdict, b.Why)
}
