package envelope

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/scenarios"
	"wringer/scenarios/capacity"
	capacitysearch "wringer/scenarios/capacity/search"
	"wringer/scenarios/envelope/search"
)

// Answer is what was found, envelope.json. It holds what a reader of capacity.json knows, and the frontier. Intensities are in Unit,
// loads in LoadUnit. A bound that was not found is null.
type Answer struct {
	Schema  string    `json:"schema"`
	Name    string    `json:"name"`
	Seed    int64     `json:"seed"`
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"` // that the search took
	Answer  string    `json:"answer"`
	Exit    int       `json:"exit"`
	Why     string    `json:"why"`
	Axis    string    `json:"axis"` // slow.latency
	On      string    `json:"on"`   // what the fault breaks
	Unit    string    `json:"unit"`
	Worse   string    `json:"worse"` // more or less
	From    float64   `json:"from"`  // the gentlest intensity that was asked for
	Most    float64   `json:"most"`  // the worst
	// LoadAxis is rate or users.
	LoadAxis string    `json:"load_axis"`
	LoadUnit string    `json:"load_unit"`
	Streams  []string  `json:"streams"`
	Search   *Searched `json:"search,omitempty"`
	// Idle is the lowest median response time at the lowest load without the fault, in nanoseconds: what a target must come back to.
	Idle *float64 `json:"idle_ns,omitempty"`
	// Lower, Upper and Limit are those of the highest load, which takes least.
	Lower       *capacity.Bound    `json:"lower"`
	Upper       *capacity.Bound    `json:"upper"`
	Limit       *Limit             `json:"limit"`
	Generator   capacity.Generator `json:"generator"`
	Confirmed   capacity.Confirmed `json:"confirmed"`
	Frontier    []*Row             `json:"frontier"` // by load, ascending
	NotMonotone []Contradiction    `json:"not_monotone"`
	Baseline    *Baseline          `json:"baseline,omitempty"` // what the answer is compared with
	Trials      []*Trial           `json:"trials"`
}

// Row is what the target takes at one load.
type Row struct {
	Load   float64  `json:"rate"`
	Answer string   `json:"answer"`
	Lower  *float64 `json:"lower"` // the worst intensity that passed
	Upper  *float64 `json:"upper"` // the gentlest that failed
	// UpperLoad is the load at which Upper failed: this one, or a lower one where the frontier is not monotone.
	UpperLoad *float64 `json:"upper_load"`
	// Passed and Failed are the trials at the bounds that say so.
	Passed int    `json:"passed"`
	Failed int    `json:"failed"`
	Limit  *Limit `json:"limit"`
	Why    string `json:"why"`
	// Known are the bounds in words, also while the search goes on.
	Known string `json:"-"`

	unfit bool // the load is too much without the fault
}

// Contradiction is a trial that passed although one failed at the same or a lower load with the same or a gentler intensity.
type Contradiction struct {
	Passed Place  `json:"passed"`
	Failed Place  `json:"failed"`
	Why    string `json:"why"`
}

// Place is a load and an intensity.
type Place struct {
	Load float64 `json:"load"`
	At   float64 `json:"at"`
}

func newAnswer(sc *scenarios.Scenario, asked Asked) *Answer {
	axis, scale := asked.Axis, asked.Scale
	a := &Answer{
		Schema: capacity.Schema, Name: sc.Name, Seed: sc.Seed, Started: time.Now(), Axis: axis.Name(), On: axis.On, Unit: axis.Unit, Worse: "more",
		From: axis.Steps[0], Most: axis.Steps[len(axis.Steps)-1], LoadAxis: scale.Name(), LoadUnit: scale.Unit(), Streams: scale.Streams,
		Search: searchedIn(sc, axis), Baseline: asked.Baseline,
		Generator: capacity.Generator{Why: "the loads are given; a trial with a saturated load generator decides nothing"}, NotMonotone: []Contradiction{}, Trials: []*Trial{},
	}
	if axis.Less {
		a.Worse = "less"
	}
	return a
}

// settle fills in the answer from the search. reason says why it ended before its end; empty: it did not.
func (c *finder) settle(reason string) {
	a := c.answer
	a.Seconds = (c.before + time.Since(c.begun)).Seconds()
	a.Frontier, a.NotMonotone = nil, []Contradiction{}
	answers := make(map[string]int)
	for load := range c.asked.Loads {
		row := c.row(load)
		answers[row.Answer]++
		a.Frontier = append(a.Frontier, row)
	}
	for _, found := range c.search.Contradictions() {
		a.NotMonotone = append(a.NotMonotone, c.contradiction(found))
	}
	c.summary()
	a.Answer = capacity.Bracket
	switch n := len(a.Frontier); {
	case answers[capacity.Inconclusive] > 0:
		a.Answer = capacity.Inconclusive
	case answers[capacity.AtLeast] == n:
		a.Answer = capacity.AtLeast
	case answers[capacity.Below] == n:
		a.Answer = capacity.Below
	}
	if a.Idle = c.idle; a.Baseline != nil {
		a.Baseline.judge(c)
	}
	a.Exit = a.exit()
	a.Why = c.sentence(reason)
}

// row is what is known of a load.
func (c *finder) row(load int) *Row {
	b := c.search.Bracket(load)
	axis := c.asked.Axis
	r := &Row{Load: c.asked.Loads[load], unfit: b.Unfit}
	if b.Lower >= 0 {
		r.Lower = new(axis.Steps[b.Lower])
	}
	if b.Upper < len(axis.Steps) {
		r.Upper, r.UpperLoad = new(axis.Steps[b.Upper]), new(c.asked.Loads[b.Of])
	}
	for _, t := range c.answer.Trials {
		switch {
		case t.Load == r.Load && t.step == b.Lower && t.result() == capacitysearch.Passed:
			r.Passed++
		case r.UpperLoad != nil && t.Load == *r.UpperLoad && (t.step == b.Upper || b.Unfit && t.Unfit) && t.result() == capacitysearch.Failed:
			if r.Failed++; r.Limit == nil {
				r.Limit = t.Limit
			}
		}
	}
	switch {
	case b.Stuck >= 0:
		r.Answer, r.Why = capacity.Inconclusive, c.stuck(r.Load, b.Stuck)
	case !b.Certain: // the answer's own why says the reason
		r.Answer = capacity.Inconclusive
	case r.Lower == nil:
		r.Answer = capacity.Below
	case r.Upper == nil:
		r.Answer = capacity.AtLeast
	default:
		r.Answer = capacity.Bracket
	}
	r.words(c, b)
	return r
}

func (c *finder) stuck(load float64, step int) string {
	for _, t := range slices.Backward(c.answer.Trials) {
		if t.Load == load && t.step == step {
			return fmt.Sprintf("%d trials with %s decided nothing: %s", patience, c.asked.Axis.Text(step), t.Why)
		}
	}
	return ""
}

// words puts a row in words.
func (r *Row) words(c *finder, b search.Bracket) {
	axis, scale := c.asked.Axis, c.asked.Scale
	r.Known = "nothing is known"
	switch {
	case b.Lower >= 0 && r.Upper != nil:
		r.Known = fmt.Sprintf("between %s and %s", axis.Text(b.Lower), axis.Text(b.Upper))
	case b.Lower >= 0:
		r.Known = "at least " + axis.Text(b.Lower)
	case r.Upper != nil:
		r.Known = "below " + axis.Text(b.Upper)
	}
	switch r.Answer {
	case capacity.Bracket:
		fails := "fails at " + axis.Text(b.Upper)
		if *r.UpperLoad != r.Load {
			fails = axis.Text(b.Upper) + " fails at " + scale.Text(*r.UpperLoad)
		}
		r.Why = fmt.Sprintf("%s (%s)", axis.Text(b.Lower), fails)
	case capacity.AtLeast:
		r.Why = axis.Text(b.Lower) + ", the most asked for"
	case capacity.Below:
		r.Why = "not even " + axis.Text(0)
		if b.Unfit {
			r.Why = "nothing: the load is too much without the fault"
		} else if *r.UpperLoad != r.Load {
			r.Why += fmt.Sprintf(" (it fails at %s)", scale.Text(*r.UpperLoad))
		}
	case capacity.Inconclusive:
		r.Why = strings.TrimSuffix(fmt.Sprintf("inconclusive, %s: %s", r.Known, r.Why), ": ")
	}
}

// contradiction puts a contradiction in words.
func (c *finder) contradiction(found search.Contradiction) Contradiction {
	at := func(p search.Point) (Place, string) {
		load := c.asked.Loads[p.Load]
		return Place{load, c.asked.Axis.Steps[p.Step]}, fmt.Sprintf("%s at %s", c.asked.Axis.Text(p.Step), c.asked.Scale.Text(load))
	}
	passed, good := at(found.Passed)
	failed, bad := at(found.Failed)
	return Contradiction{passed, failed, fmt.Sprintf("%s passed, although %s failed", good, bad)}
}

// summary fills in what the answer says in one place: the bounds of the highest load.
func (c *finder) summary() {
	a := c.answer
	row := a.Frontier[len(a.Frontier)-1]
	a.Lower, a.Upper, a.Limit = nil, nil, row.Limit
	a.Generator.CPU, a.Confirmed = nil, capacity.Confirmed{}
	if row.Lower != nil {
		a.Lower = &capacity.Bound{At: *row.Lower, Certain: row.Answer != capacity.Inconclusive}
	}
	if row.Upper != nil {
		a.Upper = &capacity.Bound{At: *row.Upper, Certain: row.Answer != capacity.Inconclusive}
	}
	for _, t := range a.Trials {
		switch {
		case a.Lower != nil && t.Load == row.Load && t.At == a.Lower.At:
			a.Lower.Trials++
			a.Lower.Achieved, a.Generator.CPU = t.Achieved, t.CPU
			if t.result() == capacitysearch.Passed {
				a.Confirmed.Trials++
				a.Confirmed.Seconds += t.Seconds
			}
		case a.Upper != nil && t.Load == *row.UpperLoad && t.At == a.Upper.At:
			a.Upper.Trials++
			a.Upper.Achieved = t.Achieved
		}
	}
}

// title names the axis: slow.latency on orders->kafka.
func (a *Answer) title() string {
	if a.On == "" {
		return a.Axis
	}
	return a.Axis + " on " + a.On
}

// sentence is the answer in words.
func (c *finder) sentence(reason string) string {
	a := c.answer
	compared := ""
	if a.Baseline != nil {
		compared = "; " + a.Baseline.text()
	}
	if len(a.Trials) == 0 && reason != "" {
		return "inconclusive: " + reason + compared
	}
	var rows []string
	for i, r := range a.Frontier {
		words := r.Why
		switch {
		case r.Answer == capacity.Inconclusive || r.Answer == capacity.Below:
		case i > 0 && r.Lower != nil && a.Frontier[i-1].Lower != nil && *r.Lower != *a.Frontier[i-1].Lower:
			words = "only " + words
		case len(rows) == 0:
			words = "it tolerates " + words
		}
		rows = append(rows, fmt.Sprintf("at %s %s", c.asked.Scale.Text(r.Load), words))
	}
	text := a.title() + ": " + strings.Join(rows, ", ")
	if reason != "" {
		text = "inconclusive: " + reason + "; " + text
	}
	for _, r := range a.Frontier {
		if r.Limit != nil {
			text += "; what gave way: " + r.Limit.Text
			break
		}
	}
	for i, n := range a.NotMonotone {
		if i == 0 {
			text += "; not monotone: "
		} else {
			text += ", "
		}
		text += n.Why
	}
	if len(a.NotMonotone) > 0 {
		text += "; the lower bound is believed"
	}
	return text + compared
}
