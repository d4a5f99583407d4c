package capacity

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios"
)

// Baseline is a saved answer that the new one is compared with, and what came of it.
type Baseline struct {
	File    string    `json:"file"`
	Started time.Time `json:"started"`
	Answer  string    `json:"answer"`
	Lower   *Bound    `json:"lower"` // null: not certain, or not found
	Upper   *Bound    `json:"upper"`
	// Tolerance is the share of the saved capacity that may be missing.
	Tolerance float64 `json:"tolerance"`
	Verdict   string  `json:"verdict"`
	Why       string  `json:"why"`
}

// NewBaseline takes a saved answer, read from a file, as the baseline of a search in a scenario. tolerance is the share of its capacity that
// may be missing, from 0 to below 1. It refuses an answer to another question: its bounds say nothing of this one. Bounds that are not
// certain count as not found.
func NewBaseline(file string, saved *Answer, tolerance float64, asked *Asked, sc *scenarios.Scenario) (*Baseline, error) {
	if !(tolerance >= 0 && tolerance < 1) {
		return nil, fmt.Errorf("a tolerance of %v: write a share from 0 to below 1, such as 0.1", tolerance)
	}
	if err := asked.comparable(saved, sc); err != nil {
		return nil, err
	}
	b := &Baseline{File: file, Started: saved.Started, Answer: saved.Answer, Lower: certainly(saved.Lower), Upper: certainly(saved.Upper), Tolerance: tolerance}
	if b.Lower == nil && b.Upper == nil {
		return nil, fmt.Errorf("it has no certain bound: %s", saved.Why)
	}
	return b, nil
}

func certainly(b *Bound) *Bound {
	if b == nil || !b.Certain {
		return nil
	}
	return b
}

// comparable says why a saved answer cannot be compared with that of this search; nil: it can.
func (a *Asked) comparable(saved *Answer, sc *scenarios.Scenario) error {
	var gates, written []string
	for _, g := range sc.Expect {
		gates = append(gates, g.Expr)
	}
	for _, g := range saved.GivesWay {
		written = append(written, g.Gate)
	}
	slices.Sort(gates)
	slices.Sort(written)
	switch {
	case saved.Schema != Schema || saved.Search == nil:
		return errors.New("it is no answer of wringer capacity that found something")
	case saved.Name != sc.Name:
		return fmt.Errorf("it is of scenario %s, not of %s", saved.Name, sc.Name)
	case saved.Axis != a.Axis.Name() || !slices.Equal(saved.Streams, a.Axis.Streams):
		return fmt.Errorf("it scaled the %s of %s, not the %s of %s", saved.Axis, strings.Join(saved.Streams, ", "), a.Axis.Name(), strings.Join(a.Axis.Streams, ", "))
	case !slices.Equal(gates, written):
		return fmt.Errorf("its gates are %s, and those of the scenario are %s: save a new baseline", strings.Join(written, "; "), strings.Join(gates, "; "))
	case math.Abs(saved.Search.Trial-a.Trial.Seconds()) > 1e-6:
		return fmt.Errorf("its trials lasted %s, and these last %s: longer trials see more", reports.Duration(saved.Search.Trial*1e9), reports.Duration(float64(a.Trial)))
	}
	for _, b := range []*Bound{saved.Lower, saved.Upper} {
		if b != nil && !a.Axis.divided(b) {
			return fmt.Errorf("its load of %s was divided among the streams in another way", a.Axis.Text(b.At))
		}
	}
	return nil
}

// divided says whether a load was divided among the streams as the axis divides it.
func (a *Axis) divided(b *Bound) bool {
	for name, part := range a.Parts(b.At) {
		if math.Abs(b.Streams[name]-part) > 0.001*b.At {
			return false
		}
	}
	return true
}

// judge compares bounds with the saved ones. It is decided only where every capacity between the bounds, then and now, says the same. A
// bound that is not certain decides nothing.
func (b *Baseline) judge(low, high *Bound, text func(at float64) string) {
	left := 1 - b.Tolerance
	low, high = certainly(low), certainly(high)
	wanted := func(at float64) string {
		if b.Tolerance == 0 {
			return text(at)
		}
		return reports.Share(left) + " of " + text(at)
	}
	b.Verdict = string(reports.Inconclusive)
	switch {
	case high != nil && b.Lower != nil && high.At <= left*b.Lower.At:
		b.Verdict, b.Why = string(reports.Fail), fmt.Sprintf("it fails at %s, and %s is needed", text(high.At), wanted(b.Lower.At))
	case low != nil && b.Upper != nil && low.At >= left*b.Upper.At:
		b.Verdict, b.Why = string(reports.Pass), fmt.Sprintf("%s sustained, and %s would be enough", text(low.At), wanted(b.Upper.At))
	case low != nil && b.Upper == nil && b.Answer == AtLeast && low.At >= b.Lower.At:
		b.Verdict, b.Why = string(reports.Pass), fmt.Sprintf("%s sustained, and more than %s was not tried for the baseline", text(low.At), text(b.Lower.At))
	case low == nil && high == nil:
		b.Why = "no bound is certain"
	case low != nil && b.Upper == nil:
		b.Why = fmt.Sprintf("the baseline is at least %s, and how much more is not known", text(b.Lower.At))
	case high == nil && b.Upper != nil:
		b.Why = fmt.Sprintf("%s sustained, and more was not tried: up to %s is needed", text(low.At), wanted(b.Upper.At))
	default:
		b.Why = "the bounds overlap"
		if b.Tolerance > 0 {
			b.Why += " those that are needed, " + reports.Share(left) + " of the baseline's"
		}
	}
}

// text puts the comparison in words.
func (b *Baseline) text(at func(float64) string) string {
	known := "nothing is known"
	switch {
	case b.Lower != nil && b.Upper != nil:
		known = fmt.Sprintf("%s sustained, fails at %s", at(b.Lower.At), at(b.Upper.At))
	case b.Lower != nil:
		known = "at least " + at(b.Lower.At)
	case b.Upper != nil:
		known = "below " + at(b.Upper.At)
	}
	return fmt.Sprintf("against the baseline (%s): %s (%s)", known, b.Verdict, b.Why)
}
