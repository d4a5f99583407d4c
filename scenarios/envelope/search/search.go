package search

import (
	"slices"

	"wringer/scenarios/capacity/search"
)

// Goal is what is searched for.
type Goal struct {
	// Loads and Steps are how many there are, both at least 1. Loads are counted from the lowest, steps from the gentlest.
	Loads, Steps int
	// Patience is how many trials in a row at one point may show nothing before its load is given up. At least 1.
	Patience int
}

// Point is a load and a step, both counted from 0.
type Point struct{ Load, Step int }

// votes are the results of the trials at one point.
type votes struct {
	passed, failed int
	blank          int // trials in a row, at the end, that showed nothing
}

// class is what a point is known to be.
type class uint8

const (
	unknown class = iota
	passes
	fails
	split
)

func (v votes) class() class {
	switch {
	case v.passed > v.failed:
		return passes
	case v.failed > v.passed:
		return fails
	case v.passed > 0:
		return split
	}
	return unknown
}

// certain says whether further trials would not change the class: two of three decide.
func (v votes) certain() bool { return v.passed != v.failed && max(v.passed, v.failed) >= 2 }

// column is one load with its points, by step.
type column struct {
	points []votes
	unfit  int
	stuck  int // the step at which too many trials showed nothing; -1: none
}

// Search is a search under way. It is not safe for concurrent use.
type Search struct {
	goal    Goal
	columns []column
	order   []int // of the loads, by which they are searched
}

// New begins a search.
func New(g Goal) *Search {
	s := &Search{goal: g, columns: make([]column, g.Loads), order: middleFirst(g.Loads)}
	for i := range s.columns {
		s.columns[i] = column{points: make([]votes, g.Steps), stuck: -1}
	}
	return s
}

// middleFirst orders numbers from 0 so that each lies in the middle of those around it that come later.
func middleFirst(n int) (order []int) {
	spans := [][2]int{{0, n}}
	for len(spans) > 0 {
		from, to := spans[0][0], spans[0][1]
		spans = spans[1:]
		if from < to {
			middle := (from + to) / 2
			order = append(order, middle)
			spans = append(spans, [2]int{from, middle}, [2]int{middle + 1, to})
		}
	}
	return order
}

// Next is the point of the next trial; ok is false when the search has ended. It returns the same until a result was added.
func (s *Search) Next() (p Point, ok bool) {
	for _, load := range s.order {
		if step, ok := s.candidate(load); ok {
			return Point{load, step}, true
		}
	}
	return Point{}, false
}

// Add takes the result of a trial.
func (s *Search) Add(p Point, r search.Result) {
	c := &s.columns[p.Load]
	v := &c.points[p.Step]
	if r == search.Undecided {
		v.blank++
		return
	}
	v.blank = 0
	if r == search.Passed {
		v.passed++
	} else {
		v.failed++
	}
}

// Unfit takes a trial in which the target did not bear the load before anything was broken. It says nothing of the step, unless the
// load was borne before: then the trial counts as one that failed.
func (s *Search) Unfit(p Point) {
	c := &s.columns[p.Load]
	if slices.ContainsFunc(c.points, func(v votes) bool { return v.passed > 0 }) {
		s.Add(p, search.Failed)
		return
	}
	c.unfit++
}

// enough is how many trials decide a point, if they agree.
const enough = 2

// candidate is the step at which a load needs a trial.
func (s *Search) candidate(load int) (step int, ok bool) {
	c := &s.columns[load]
	if c.stuck >= 0 || c.unfit >= enough {
		return 0, false
	}
	for step, v := range c.points {
		if v.class() == split {
			return s.must(load, step)
		}
	}
	low, high, _ := s.bounds(load)
	if high-low > 1 {
		return s.must(load, s.between(load, low, high))
	}
	for _, step := range []int{low, high} {
		if 0 <= step && step < s.goal.Steps && !c.points[step].certain() {
			return s.must(load, step)
		}
	}
	return s.check(load, low, high)
}

// must is a step without which the load has no answer. A step that shows nothing again and again ends the search at its load.
func (s *Search) must(load, step int) (int, bool) {
	if c := &s.columns[load]; c.points[step].blank >= s.goal.Patience {
		c.stuck = step
		return 0, false
	}
	return step, true
}

// bounds are the highest step that passes below the lowest that fails, at the load or at a lower one. -1 and the number of steps stand
// for none. of is the load at which the upper bound failed.
func (s *Search) bounds(load int) (low, high, of int) {
	low, high, of = -1, s.goal.Steps, load
	for l := load; l >= 0; l-- {
		for step, v := range s.columns[l].points[:high] {
			if v.class() == fails && (l == load || v.certain()) {
				high, of = step, l
				break
			}
		}
	}
	for step, v := range s.columns[load].points[:high] {
		if v.class() == passes {
			low = step
		}
	}
	return low, high, of
}

// between chooses a step between the bounds: the middle of what is open if higher loads pass where they passed.
func (s *Search) between(load, low, high int) int {
	hint := low
	for l := load + 1; l < s.goal.Loads; l++ {
		if passed, _, _ := s.bounds(l); passed > hint && passed < high {
			hint = passed
		}
	}
	if high-hint == 1 {
		return hint
	}
	return (hint + high) / 2
}

// check is a step at which the frontier is looked at that is not known to be monotone: the ends, and the middle of what nobody has looked
// at for more than a quarter of the steps. A trial at the next load on either side is a look too. Points beyond the bounds that pass are made certain.
func (s *Search) check(load, low, high int) (step int, ok bool) {
	c := &s.columns[load]
	last := s.goal.Steps - 1
	for step := high + 1; step <= last; step++ {
		if v := c.points[step]; v.class() == passes && !v.certain() && v.blank < s.goal.Patience {
			return step, true
		}
	}
	for _, end := range []int{last, 0} {
		if !s.looked(load, end) {
			return end, true
		}
	}
	seen := 0
	for step := range c.points {
		if !s.looked(load, step) {
			continue
		}
		if step-seen > max(s.goal.Steps/4, fewest) {
			return (seen + step) / 2, true
		}
		seen = step
	}
	return 0, false
}

// looked says whether somebody has looked at a step, at the load or at the next one on either side.
func (s *Search) looked(load, step int) bool {
	for l := max(load-1, 0); l <= min(load+1, s.goal.Loads-1); l++ {
		if s.columns[l].points[step] != (votes{}) {
			return true
		}
	}
	return false
}

// fewest is how many steps may always go without a look.
const fewest = 4

// Bracket is what is known of one load.
type Bracket struct {
	// Lower is the worst step that passes, -1: none. Upper is the gentlest that fails; the number of steps: none.
	Lower, Upper int
	// Of is the load at which Upper failed: this one or a lower one.
	Of int
	// Certain says that both bounds are decided by trials that agree, two or two of three.
	Certain bool
	// Unfit: the target did not bear the load before anything was broken.
	Unfit bool
	// Stuck is the step at which too many trials showed nothing; -1: none.
	Stuck int
}

// Bracket returns what is known of a load so far.
func (s *Search) Bracket(load int) Bracket {
	c := &s.columns[load]
	low, high, of := s.bounds(load)
	b := Bracket{Lower: low, Upper: high, Of: of, Unfit: c.unfit >= enough, Stuck: c.stuck}
	if b.Unfit {
		b.Lower, b.Upper, b.Of = -1, 0, load
	}
	certain := func(step int) bool { return step < 0 || step >= s.goal.Steps || c.points[step].certain() }
	b.Certain = b.Unfit || high-low == 1 && certain(low) && certain(high)
	return b
}

// Contradiction is what a monotone frontier cannot have: Passed has a load and a step as high as those of Failed, or higher.
type Contradiction struct{ Passed, Failed Point }

// Contradictions lists each point that passes beyond one that fails, with the nearest of these.
func (s *Search) Contradictions() (all []Contradiction) {
	for load := range s.columns {
		for step, v := range s.columns[load].points {
			if v.class() != passes {
				continue
			}
			if failed, ok := s.failsBelow(load, step); ok {
				all = append(all, Contradiction{Point{load, step}, failed})
			}
		}
	}
	return all
}

func (s *Search) failsBelow(load, step int) (Point, bool) {
	for l := load; l >= 0; l-- {
		for below := step; below >= 0; below-- {
			if s.columns[l].points[below].class() == fails {
				return Point{l, below}, true
			}
		}
	}
	return Point{}, false
}

// Left estimates how many trials are left, as if the frontier lay in the middle of the bounds.
func (s *Search) Left() (trials int) {
	ahead := &Search{goal: s.goal, order: s.order, columns: slices.Clone(s.columns)}
	middle := make([]int, s.goal.Loads)
	for i := range ahead.columns {
		ahead.columns[i].points = slices.Clone(ahead.columns[i].points)
		low, high, _ := s.bounds(i)
		middle[i] = (low + high) / 2
	}
	for ; trials < Most(s.goal); trials++ {
		p, ok := ahead.Next()
		if !ok {
			break
		}
		r := search.Failed
		if p.Step <= middle[p.Load] {
			r = search.Passed
		}
		ahead.Add(p, r)
	}
	return trials
}

// Most is how many trials a search makes at most where each point always gives the same result, and the frontier is monotone.
func Most(g Goal) int {
	halvings := 0
	for n := g.Steps; n > 0; n /= 2 {
		halvings++
	}
	const confirming, checking = 2, 4
	return g.Loads * (halvings + 1 + confirming + checking)
}
