package search

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// Stage is a goal on the way to the last one.
type Stage struct {
	// Width is the wanted width of the bracket: the upper bound over the lower bound, less 1.
	Width float64
	// Trial is how long a trial lasts that counts whole. Sum is how long the trials at a load must last in all until the load is
	// classified, unless what is missing cannot change it.
	Trial, Sum time.Duration
	// Confirm asks for the lower bound alone: the upper bound of the stage before stands.
	Confirm bool
}

// Goal is what is searched for.
type Goal struct {
	// From and Most bound the loads. Their unit is the caller's.
	From, Most float64
	// Start is the first load that is tried; 0: From.
	Start float64
	// Whole says that loads are whole numbers.
	Whole bool
	// Exceed is the share of the duration at a load that may fail: at least 0, below 1.
	Exceed float64
	// Stages are passed one after the other; the last one's bounds are the answer.
	Stages []Stage
	// Patience is how many trials in a row at one load may show nothing before the search ends. At least 1.
	Patience int
}

// Check says what is wrong with a goal.
func (g *Goal) Check() error {
	switch {
	case !(g.From > 0) || math.IsInf(g.From, 0):
		return fmt.Errorf("the lowest load is %v; it must be above 0", g.From)
	case !(g.Most >= g.From) || math.IsInf(g.Most, 0):
		return fmt.Errorf("the highest load %v is below the lowest, %v", g.Most, g.From)
	case g.Start != 0 && !(g.Start >= g.From && g.Start <= g.Most):
		return fmt.Errorf("the first load %v does not lie between %v and %v", g.Start, g.From, g.Most)
	case g.Exceed < 0 || g.Exceed >= 1:
		return fmt.Errorf("the exceed ratio is %v; it must be at least 0 and below 1", g.Exceed)
	case len(g.Stages) == 0:
		return errors.New("there is no stage")
	case g.Patience < 1:
		return fmt.Errorf("the patience is %d; it must be at least 1", g.Patience)
	}
	for i, s := range g.Stages {
		if !(s.Width > 0) || s.Trial <= 0 || s.Sum < s.Trial {
			return fmt.Errorf("stage %d: width and trial must be above 0, and the sum at least the trial", i+1)
		}
	}
	return nil
}

// Stages makes the stages of a goal: each has half the width and about twice the duration of the one before, and the last is
// confirmed by longer trials. short is the length of the first trials. At the last widths, two of three trials decide.
func Stages(width float64, short, final, confirm time.Duration) []Stage {
	var all []Stage
	for w, d := width, final; ; w, d = 2*w, max(short, d/2) {
		sum := 3 * d
		if w > width && d < final {
			sum = d // a quick look: one trial decides
		}
		all = append(all, Stage{Width: w, Trial: d, Sum: sum})
		if d <= short && w >= 0.5 {
			break
		}
	}
	slices.Reverse(all)
	if confirm > 0 {
		all = append(all, Stage{Width: width, Trial: confirm, Sum: 3 * confirm, Confirm: true})
	}
	return all
}

// Search is a search under way. It is not safe for concurrent use.
type Search struct {
	goal  Goal
	stage int
	loads []*load // ascending
	// from are the bounds of the stage before; 0: none.
	fromLower, fromUpper float64
	stuck                *load // where too many trials in a row showed nothing
	over                 bool
}

// New begins a search. The goal must pass Check.
func New(g Goal) *Search { return &Search{goal: g} }

// Next is the next trial; ok is false when the search has ended. It returns the same until Add was called.
func (s *Search) Next() (at float64, d time.Duration, ok bool) {
	for !s.over && s.stuck == nil {
		if at, found := s.candidate(); found {
			return at, s.goal.Stages[s.stage].Trial, true
		}
		s.advance()
	}
	return 0, 0, false
}

// Add takes a trial that was made.
func (s *Search) Add(t Trial) {
	i, found := slices.BinarySearchFunc(s.loads, t.Load, func(l *load, at float64) int { return cmp.Compare(l.at, at) })
	if !found {
		s.loads = slices.Insert(s.loads, i, &load{at: t.Load})
	}
	l := s.loads[i]
	l.trials = append(l.trials, t)
	if l.undecided() >= s.goal.Patience {
		s.stuck = l
	}
}

// bounds are the relevant bounds for a stage; nil: not found.
func (s *Search) bounds(st *Stage) (low, high *load) {
	for _, l := range s.loads {
		switch l.classify(st, s.goal.Exceed) {
		case upper:
			return low, l
		case lower:
			low = l
		}
	}
	return low, nil
}

// candidate is the load at which the current stage needs a trial.
func (s *Search) candidate() (at float64, found bool) {
	st := &s.goal.Stages[s.stage]
	low, high := s.bounds(st)
	if st.Confirm {
		high = s.confirmedUpper(high)
	}
	switch {
	case low == nil && high == nil:
		return cmp.Or(s.fromLower, s.goal.Start, s.goal.From), true
	case high == nil:
		return s.above(low.at)
	case low == nil:
		return s.below(high.at)
	}
	if high.at/low.at-1 <= st.Width*(1+1e-9) {
		return 0, false
	}
	return s.between(low.at, high.at)
}

// confirmedUpper is the upper bound where only the lower one is confirmed: that of the stage before, or a smaller one of this.
func (s *Search) confirmedUpper(high *load) *load {
	for _, l := range s.loads {
		if l.at == s.fromUpper && (high == nil || l.at < high.at) {
			return l
		}
	}
	return high
}

// above searches for an upper bound: the one of the stage before, then ever farther steps.
func (s *Search) above(low float64) (at float64, found bool) {
	switch {
	case low >= s.goal.Most:
		return 0, false
	case s.fromUpper > low:
		return s.fromUpper, true
	case s.fromUpper == 0 && s.stage == 0 && low < s.goal.Start: // a lower load was tried before
		return s.goal.Start, true
	case s.fromUpper == 0 && s.stage == 0:
		return min(s.goal.Most, s.round(2*low, low, math.Inf(1))), true
	}
	steps := s.outside(lower, func(at float64) bool { return at > s.fromUpper })
	return min(s.goal.Most, s.outward(low*s.factor(steps), low, math.Inf(1))), true
}

// below searches for a lower bound: the one of the stage before, then ever farther steps.
func (s *Search) below(high float64) (at float64, found bool) {
	switch {
	case high <= s.goal.From:
		return 0, false
	case 0 < s.fromLower && s.fromLower < high:
		return s.fromLower, true
	case s.fromLower == 0 && s.stage == 0:
		return max(s.goal.From, s.round(high/2, 0, high)), true
	case s.fromLower == 0:
		return s.goal.From, true
	}
	steps := s.outside(upper, func(at float64) bool { return at < s.fromLower })
	return max(s.goal.From, s.outward(high/s.factor(steps), 0, high)), true
}

// factor is the step of a search outside of known bounds: a width, then two, four and so on.
func (s *Search) factor(steps int) float64 {
	return math.Pow(1+s.goal.Stages[s.stage].Width, math.Pow(2, float64(min(steps, 10))))
}

// outside counts the loads outside of the bounds of the stage before that were found to be of a class.
func (s *Search) outside(want class, within func(at float64) bool) (n int) {
	for _, l := range s.loads {
		if within(l.at) && l.classify(&s.goal.Stages[s.stage], s.goal.Exceed) == want {
			n++
		}
	}
	return n
}

// between halves the bracket, as a ratio. found is false where no whole number lies between.
func (s *Search) between(low, high float64) (at float64, found bool) {
	at = s.round(math.Sqrt(low*high), low, high)
	return at, low < at && at < high
}

// outward rounds a step outside of the bounds, where that makes the step no longer: the bracket must not become too wide.
func (s *Search) outward(at, low, high float64) float64 {
	short := s.round(at, low, high)
	if longer := short > at == (low > 0); longer && short != at && !s.goal.Whole {
		return at
	}
	return short
}

// round rounds a load to a whole number, or to three significant digits where that stays between low and high.
func (s *Search) round(at, low, high float64) float64 {
	if s.goal.Whole {
		at = math.Round(at)
		if at <= low {
			at = low + 1
		}
		if at >= high {
			at = high - 1
		}
		return at
	}
	short, err := strconv.ParseFloat(strconv.FormatFloat(at, 'g', 3, 64), 64)
	if err == nil && low < short && short < high {
		return short
	}
	return at
}

// advance goes on to the next stage, or ends the search.
func (s *Search) advance() {
	low, high := s.Bounds()
	s.fromLower, s.fromUpper = low.load(), high.load()
	if s.stage++; s.stage == len(s.goal.Stages) {
		s.stage--
		s.over = true
	}
}

// Bound is a load that is known to pass, or to fail.
type Bound struct {
	At      float64
	Trials  int  // made there
	Certain bool // by trials of the final length; otherwise the bound is the best that is known so far
}

func (b *Bound) load() float64 {
	if b == nil {
		return 0
	}
	return b.At
}

// Bounds are the best known bounds so far: those of the current stage, else of the one before. nil: not found.
func (s *Search) Bounds() (low, high *Bound) {
	st := &s.goal.Stages[s.stage]
	l, h := s.bounds(st)
	if st.Confirm {
		h = s.confirmedUpper(h)
	}
	low, high = s.bound(l, s.fromLower, lower), s.bound(h, s.fromUpper, upper)
	if low != nil && high != nil && low.At >= high.At { // one is of the stage before, and was overtaken
		if l == nil {
			low = s.lastBelow(high.At)
		} else {
			high = s.firstAbove(low.At)
		}
	}
	return low, high
}

// lastBelow is the highest load below another that was a lower bound for this or an earlier stage; nil: there is none.
func (s *Search) lastBelow(at float64) *Bound {
	for _, l := range slices.Backward(s.loads) {
		if l.at < at && s.was(l, lower) {
			return s.bound(l, 0, lower)
		}
	}
	return nil
}

// firstAbove is the lowest load above another that was an upper bound for this or an earlier stage; nil: there is none.
func (s *Search) firstAbove(at float64) *Bound {
	for _, l := range s.loads {
		if l.at > at && s.was(l, upper) {
			return s.bound(l, 0, upper)
		}
	}
	return nil
}

// was says whether a load is of a class for this or an earlier stage.
func (s *Search) was(l *load, as class) bool {
	return slices.ContainsFunc(s.goal.Stages[:s.stage+1], func(st Stage) bool { return l.classify(&st, s.goal.Exceed) == as })
}

func (s *Search) bound(l *load, before float64, as class) *Bound {
	if l == nil {
		i := slices.IndexFunc(s.loads, func(l *load) bool { return l.at == before })
		if i < 0 {
			return nil
		}
		l = s.loads[i]
	}
	return &Bound{l.at, len(l.trials), s.certain(l, as)}
}

// certain says whether a load is of a class for a stage of the final width.
func (s *Search) certain(l *load, as class) bool {
	width := s.goal.Stages[len(s.goal.Stages)-1].Width
	return slices.ContainsFunc(s.goal.Stages, func(st Stage) bool { return st.Width == width && l.classify(&st, s.goal.Exceed) == as })
}

// Left estimates what is left: the trials, and their lengths in all, as if the loads up to the middle of the bounds passed.
func (s *Search) Left() (trials int, length time.Duration) {
	const most = 200
	low, high := s.Bounds()
	middle := math.Sqrt(max(low.load(), s.goal.From) * s.goal.Most)
	switch {
	case high != nil:
		middle = math.Sqrt(max(low.load(), s.goal.From) * high.At)
	case low != nil:
		middle = min(s.goal.Most, 4*low.At)
	}
	ahead := s.clone()
	for trials = 0; trials < most; trials++ {
		at, d, ok := ahead.Next()
		if !ok {
			break
		}
		t := Trial{Load: at, For: d, Result: Failed}
		if at <= middle {
			t.Result = Passed
		}
		ahead.Add(t)
		length += d
	}
	return trials, length
}

func (s *Search) clone() *Search {
	c := *s
	c.loads = nil
	for _, l := range s.loads {
		c.loads = append(c.loads, &load{l.at, slices.Clone(l.trials)})
	}
	return &c
}

// Over reports whether the search has its answer.
func (s *Search) Over() bool { return s.over }

// Stuck is the load at which too many trials in a row showed nothing.
func (s *Search) Stuck() (at float64, ok bool) {
	if s.stuck == nil {
		return 0, false
	}
	return s.stuck.at, true
}
