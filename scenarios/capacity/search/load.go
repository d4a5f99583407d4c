package search

import "time"

// Result is what a trial showed.
type Result uint8

const (
	// Passed: every gate held.
	Passed Result = iota
	// Failed: a gate was violated, or the backlog grew.
	Failed
	// Undecided: the trial shows nothing of the target: the load generator was saturated, for one.
	Undecided
)

// Trial is one that was made.
type Trial struct {
	Load   float64
	For    time.Duration // how long it was planned to be; a trial that ended early because its result was certain counts whole
	Result Result
}

// class says what a load is for a stage.
type class uint8

const (
	unknown class = iota
	lower
	upper
)

// load is one load with the trials made at it.
type load struct {
	at     float64
	trials []Trial
}

// classify follows the draft, section "Load Classification Logic". Short trials that failed count only as far as short trials that
// passed do not balance them.
func (l *load) classify(s *Stage, exceed float64) class {
	var good, bad, shortGood, shortBad float64
	for _, t := range l.trials {
		full := t.For >= s.Trial
		switch d := t.For.Seconds(); {
		case t.Result == Passed && full:
			good += d
		case t.Result == Passed:
			shortGood += d
		case t.Result == Failed && full:
			bad += d
		case t.Result == Failed:
			shortBad += d
		}
	}
	balancing := shortGood * exceed / (1 - exceed)
	effectiveBad := bad + max(0, shortBad-balancing)
	whole := max(good+effectiveBad, s.Sum.Seconds())
	optimistic := effectiveBad/whole <= exceed  // what is still missing would pass
	pessimistic := (whole-good)/whole <= exceed // what is still missing would fail
	switch {
	case pessimistic:
		return lower
	case !optimistic:
		return upper
	default:
		return unknown
	}
}

// undecided is how many trials in a row, at the end, showed nothing.
func (l *load) undecided() (n int) {
	for i := len(l.trials) - 1; i >= 0 && l.trials[i].Result == Undecided; i-- {
		n++
	}
	return n
}
