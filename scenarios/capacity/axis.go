package capacity

import (
	"fmt"
	"math"
	"slices"
	"time"

	"wringer/scenarios"
	"wringer/scenarios/runner"
)

// Axis is what is scaled: the rates, or the numbers of users, of some streams together, in the proportion in which the scenario has
// them. A load is the sum over these streams: operations a second, or users.
type Axis struct {
	Streams []string // sorted
	Users   bool
	Written float64 // the load of the scenario as it was written

	shares  map[string]float64 // of each stream; they add up to 1
	poisson map[string]bool
}

// NewAxis makes the axis of the named streams; without names, of all streams that have what is scaled.
func NewAxis(sc *scenarios.Scenario, names []string, users bool) (*Axis, error) {
	a := &Axis{Users: users, shares: make(map[string]float64), poisson: make(map[string]bool)}
	for _, name := range names {
		if sc.Stream(name) == nil {
			return nil, fmt.Errorf("the scenario has no stream %s to scale", name)
		}
	}
	for i := range sc.Traffic {
		s := &sc.Traffic[i]
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		load, err := a.of(s)
		switch {
		case err != nil && len(names) > 0:
			return nil, err
		case err != nil:
			continue
		}
		a.Streams = append(a.Streams, s.Name)
		a.shares[s.Name] = load
		a.Written += load
	}
	if len(a.Streams) == 0 {
		return nil, fmt.Errorf("no stream can be scaled: one with %s is needed", a.needs())
	}
	slices.Sort(a.Streams)
	for name := range a.shares {
		a.shares[name] /= a.Written
	}
	return a, nil
}

func (a *Axis) needs() string {
	if a.Users {
		return "users"
	}
	return "a constant or a Poisson rate"
}

// of is the written load of a stream.
func (a *Axis) of(s *scenarios.Stream) (float64, error) {
	switch {
	case s.Consume != nil:
		return 0, fmt.Errorf("stream %s sends nothing, and cannot be scaled", s.Name)
	case a.Users && s.Users > 0:
		return float64(s.Users), nil
	case !a.Users && s.Rate != nil && s.Rate.Constant > 0:
		return s.Rate.Constant, nil
	case !a.Users && s.Rate != nil && s.Rate.Poisson > 0:
		a.poisson[s.Name] = true
		return s.Rate.Poisson, nil
	}
	return 0, fmt.Errorf("stream %s cannot be scaled: it needs %s", s.Name, a.needs())
}

// Step is the step of the experiment that plays a load for that long; 0: the length of the scenario.
func (a *Axis) Step(at float64, d time.Duration) runner.Step {
	st := runner.Step{Duration: d}
	for name, load := range a.Parts(at) {
		switch {
		case a.Users && st.Users == nil:
			st.Users = make(map[string]int)
			fallthrough
		case a.Users:
			st.Users[name] = int(load)
		case st.Rates == nil:
			st.Rates = make(map[string]*scenarios.Rate)
			fallthrough
		default:
			st.Rates[name] = &scenarios.Rate{Constant: load}
			if a.poisson[name] {
				st.Rates[name] = &scenarios.Rate{Poisson: load}
			}
		}
	}
	return st
}

// Parts are the loads of the streams at a load of the axis, which is their sum. Every stream with users has at least one.
func (a *Axis) Parts(at float64) map[string]float64 {
	if a.Users {
		at = math.Round(at)
	}
	all := make(map[string]float64, len(a.Streams))
	for _, name := range a.Streams {
		if all[name] = at * a.shares[name]; a.Users {
			all[name] = max(1, math.Floor(all[name]))
		}
	}
	for a.Users && a.settle(all, at) {
	}
	return all
}

// settle moves whole numbers of users by one towards a load: where the stream's part is furthest off. It says whether it did.
func (a *Axis) settle(all map[string]float64, at float64) bool {
	sum := 0.0
	for _, n := range all {
		sum += n
	}
	by := 1.0
	if sum > at {
		by = -1
	}
	best, most := "", math.Inf(-1)
	for _, name := range a.Streams {
		if off := by * (at*a.shares[name] - all[name]); off > most && all[name]+by >= 1 {
			best, most = name, off
		}
	}
	if sum == at || best == "" {
		return false
	}
	all[best] += by
	return true
}

// Least is the lowest load that can be played.
func (a *Axis) Least() float64 {
	if a.Users {
		return float64(len(a.Streams))
	}
	return 0
}

// Name and Unit are the axis in the answer's terms.
func (a *Axis) Name() string {
	if a.Users {
		return "users"
	}
	return "rate"
}

// Unit is the unit of loads, in the answer's terms.
func (a *Axis) Unit() string {
	if a.Users {
		return "count"
	}
	return "per_second"
}

// Text writes a load for people.
func (a *Axis) Text(at float64) string {
	switch {
	case a.Users && math.Round(at) == 1:
		return "1 user"
	case a.Users:
		return fmt.Sprintf("%.0f users", at)
	}
	return rate(at)
}
