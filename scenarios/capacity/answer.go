package capacity

import (
	"math"
	"slices"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

// Schema names the form of the answer.
const Schema = "wringer.capacity/v1"

// The kinds of an answer.
const (
	Bracket      = "bracket"
	AtLeast      = "at_least"
	Below        = "below"
	Inconclusive = "inconclusive"
)

// Answer is what was found, capacity.json. Loads are in Unit: operations offered a second, or users. A bound that was not found is
// null.
type Answer struct {
	Schema    string     `json:"schema"`
	Name      string     `json:"name"`
	Seed      int64      `json:"seed"`
	Started   time.Time  `json:"started"`
	Seconds   float64    `json:"seconds"` // that the search took
	Answer    string     `json:"answer"`
	Exit      int        `json:"exit"`
	Why       string     `json:"why"`
	Axis      string     `json:"axis"`
	Unit      string     `json:"unit"`
	Streams   []string   `json:"streams"`
	Search    *Searched  `json:"search,omitempty"`
	Lower     *Bound     `json:"lower"`
	Upper     *Bound     `json:"upper"`
	Blind     bool       `json:"blind,omitempty"` // no trial at the lower bound could show that a backlog grows
	Limit     *Limit     `json:"limit"`
	Generator Generator  `json:"generator"`
	Confirmed Confirmed  `json:"confirmed"`
	Gates     []Verdict  `json:"gates,omitempty"`     // of the scenario, on the capacity itself
	Baseline  *Baseline  `json:"baseline,omitempty"`  // what the answer is compared with
	GivesWay  []GivesWay `json:"gives_way,omitempty"` // by gate of a trial
	USL       *USL       `json:"usl,omitempty"`
	Trials    []*Trial   `json:"trials"`
}

// Searched is what was asked for.
type Searched struct {
	From  float64 `json:"from"`
	Max   float64 `json:"max"`
	Width float64 `json:"width"`
	Trial float64 `json:"trial_seconds"`
}

// Bound is a load that passed, or that failed.
type Bound struct {
	At       float64            `json:"at"`
	Achieved *float64           `json:"achieved"`
	Trials   int                `json:"trials"`
	Certain  bool               `json:"certain"`        // false: the best bound that is known, by fewer or shorter trials than a certain one
	Busy     bool               `json:"busy,omitempty"` // not certain, for the machine was busy whenever operations failed there
	Streams  map[string]float64 `json:"streams"`        // the part of each
}

// Generator is what the load generator had left.
type Generator struct {
	Ceiling *float64 `json:"ceiling"`               // operations a second against nothing; null: not measured
	Why     string   `json:"ceiling_why,omitempty"` // not measured
	CPU     *float64 `json:"cpu"`                   // its share of the cores at the lower bound
}

// Confirmed are the trials of the final length or longer that passed at the lower bound.
type Confirmed struct {
	Trials  int     `json:"trials"`
	Seconds float64 `json:"seconds"`

	lengths []float64
}

// Failed is the answer of a search that could not begin, or that the harness ended, with that exit code.
func Failed(name string, exit int, why string) *Answer {
	return &Answer{
		Schema: Schema, Name: name, Started: time.Now().UTC(), Answer: Inconclusive, Exit: exit, Why: why, Axis: "rate", Unit: "per_second",
		Streams: []string{}, Trials: []*Trial{},
	}
}

// ending is why a search ended before its end; the zero value: it did not.
type ending struct {
	why string
	// below: the lowest load failed its first trial.
	below bool
}

func (e ending) early() bool { return e.why != "" || e.below }

// settle fills in the answer from the search.
func (c *finder) settle(end ending) {
	a := c.answer
	low, high := c.search.Bounds()
	if low == nil && high == nil && end.why != "" {
		low = c.glimpsed()
	}
	if high == nil && end.why != "" {
		high = c.failedAbove(low)
	}
	if end.below {
		low, high = nil, &search.Bound{At: c.asked.From}
		answered := 0 // trials: a target that has died shows nothing of the load
		for _, t := range a.Trials {
			if high.Trials++; t.result() == search.Failed && t.Achieved != nil && *t.Achieved > 0 {
				answered++
			}
		}
		high.Certain = answered >= enough
	}
	a.Lower, a.Upper = c.bound(low, search.Passed), c.bound(high, search.Failed)
	if a.Upper != nil && c.busyAt(a.Upper.At) {
		a.Upper.Busy, a.Upper.Certain = true, false
	}
	if a.Blind = a.Lower != nil && c.blind(a.Lower.At); a.Blind {
		a.Lower.Certain = false
	}
	a.Limit, a.Generator.CPU, a.Confirmed = nil, nil, Confirmed{}
	for _, t := range a.Trials {
		switch {
		case low != nil && t.At == low.At && t.result() == search.Passed:
			a.Generator.CPU = t.CPU
			a.confirm(t, c.asked.Trial)
		case high != nil && t.At == high.At && t.Limit != nil && a.Limit == nil:
			a.Limit = t.Limit
		}
	}
	a.Seconds = c.before.Seconds() + time.Since(c.begun).Seconds()
	switch {
	case low != nil && high != nil:
		a.Answer = Bracket
	case end.why != "":
		a.Answer = Inconclusive
	case low == nil:
		a.Answer = Below
	default:
		a.Answer = AtLeast
	}
	a.Gates = c.judged()
	if a.Baseline != nil {
		a.Baseline.judge(a.Lower, a.Upper, c.axis.Text)
	}
	a.USL = fit(a.Trials)
	a.GivesWay = c.givesWay()
	a.Exit = a.code()
	a.Why = c.sentence(end)
}

// glimpsed is the highest load that passed, below all that failed, where the search ended before it knew a bound; nil: none passed.
func (c *finder) glimpsed() (low *search.Bound) {
	failed := math.Inf(1)
	for _, t := range c.answer.Trials {
		if t.result() == search.Failed {
			failed = min(failed, t.At)
		}
	}
	for _, t := range c.answer.Trials {
		if t.result() != search.Passed || t.At >= failed {
			continue
		}
		if low == nil || t.At > low.At {
			low = &search.Bound{At: t.At}
		}
		if t.At == low.At {
			low.Trials++
		}
	}
	return low
}

// failedAbove is the lowest load above a bound at which more trials failed than passed, where the search ended before it knew an upper
// bound: a target that stays bad fails there once. A load whose last trial decided nothing is none. nil: there is none.
func (c *finder) failedAbove(low *search.Bound) (high *search.Bound) {
	type load struct {
		trials, failed int // of failed those are taken away that passed
		last           search.Result
	}
	loads := make(map[float64]load)
	for _, t := range c.answer.Trials {
		l := loads[t.At]
		l.trials, l.last = l.trials+1, t.result()
		switch l.last {
		case search.Failed:
			l.failed++
		case search.Passed:
			l.failed--
		}
		loads[t.At] = l
	}
	for at, l := range loads {
		if l.failed > 0 && l.last != search.Undecided && (low == nil || at > low.At) && (high == nil || at < high.At) {
			high = &search.Bound{At: at, Trials: l.trials}
		}
	}
	return high
}

// code is the exit code of an answer.
func (a *Answer) code() int {
	verdict := func(v reports.Verdict) bool {
		return a.Baseline != nil && a.Baseline.Verdict == string(v) || slices.ContainsFunc(a.Gates, func(g Verdict) bool { return g.Verdict == string(v) })
	}
	switch {
	case verdict(reports.Fail):
		return reports.ExitFail
	case a.Answer == Inconclusive, verdict(reports.Inconclusive):
		return reports.ExitInconclusive
	}
	return reports.ExitPass
}

// confirm counts a trial that passed at the lower bound.
func (a *Answer) confirm(t *Trial, whole time.Duration) {
	if t.Seconds >= whole.Seconds()*0.999 {
		a.Confirmed.Trials++
		a.Confirmed.Seconds += t.Seconds
		a.Confirmed.lengths = append(a.Confirmed.lengths, t.Seconds)
	}
}

// bound is a bound of the answer. What was achieved there is that of the last trial with the bound's result.
func (c *finder) bound(b *search.Bound, result search.Result) *Bound {
	if b == nil {
		return nil
	}
	out := &Bound{At: b.At, Trials: b.Trials, Certain: b.Certain, Streams: c.axis.Parts(b.At)}
	for _, t := range c.answer.Trials {
		if t.At == b.At && t.result() == result {
			out.Achieved = t.Achieved
		}
	}
	return out
}
