package envelope

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	capacitysearch "wringer/scenarios/capacity/search"
	"wringer/scenarios/envelope/search"
)

// Searched is what was asked for, beside what the answer says elsewhere.
type Searched struct {
	Steps int      `json:"steps"` // from the gentlest intensity to the worst
	Gates []string `json:"gates"`
	Trial float64  `json:"trial_seconds"` // the scenario's duration
}

func searchedIn(sc *scenarios.Scenario, axis *Axis) *Searched {
	s := &Searched{Steps: len(axis.Steps), Gates: []string{}, Trial: sc.Run.Duration.Seconds()}
	for _, g := range sc.Expect {
		s.Gates = append(s.Gates, g.Expr)
	}
	slices.Sort(s.Gates)
	return s
}

// same says why a saved answer is not of the same scenario, fault and streams; nil: it is.
func (a *Asked) same(saved *Answer, name string) error {
	switch {
	case saved.Schema != capacity.Schema || saved.Search == nil || len(saved.Frontier) == 0 || slices.Contains(saved.Frontier, nil) || slices.Contains(saved.Trials, nil):
		return errors.New("it is no answer of wringer envelope that found something")
	case saved.Name != name:
		return fmt.Errorf("it is of scenario %s, not of %s", saved.Name, name)
	case saved.Axis != a.Axis.Name() || saved.On != a.Axis.On || saved.Unit != a.Axis.Unit:
		return fmt.Errorf("it searched %s, not %s", saved.title(), a.Axis.Name())
	case saved.LoadAxis != a.Scale.Name() || !slices.Equal(saved.Streams, a.Scale.Streams):
		return fmt.Errorf("it scaled the %s of %s, not the %s of %s", saved.LoadAxis, strings.Join(saved.Streams, ", "), a.Scale.Name(), strings.Join(a.Scale.Streams, ", "))
	}
	return nil
}

// Resumes says why an earlier answer is not of the same search; nil: it is.
func (a *Asked) Resumes(before *Answer, name string) error {
	if err := a.same(before, name); err != nil {
		return err
	}
	steps := a.Axis.Steps
	if before.From != steps[0] || before.Most != steps[len(steps)-1] || before.Search.Steps != len(steps) {
		return fmt.Errorf("it searched from %s to %s in %d steps: give the same flags", before.text(&before.From), before.text(&before.Most), before.Search.Steps)
	}
	if loads := before.loads(); !slices.Equal(loads, a.Loads) {
		return fmt.Errorf("its loads are %s: give the same flags", a.loadTexts(loads))
	}
	for _, t := range before.Trials {
		if !slices.Contains(a.Loads, t.Load) || !slices.Contains(steps, t.At) {
			return fmt.Errorf("its trial with %s at %s is none of this search: begin a new one", t.Value, a.Scale.Text(t.Load))
		}
	}
	return nil
}

func (a *Answer) loads() (all []float64) {
	for _, r := range a.Frontier {
		all = append(all, r.Load)
	}
	return all
}

func (a *Asked) loadTexts(loads []float64) string {
	var texts []string
	for _, at := range loads {
		texts = append(texts, a.Scale.Text(at))
	}
	return strings.Join(texts, ", ")
}

// resume takes over the trials of an earlier search. The search is a pure function of its trials, so it goes on where that one ended. A
// point that could not be decided is tried again: what was in the way may be gone.
func (c *finder) resume() {
	before := c.asked.Before
	if before == nil {
		return
	}
	c.before = time.Duration(before.Seconds * float64(time.Second))
	c.answer.Started, c.answer.Seed, c.answer.Idle = before.Started, before.Seed, before.Idle
	c.idle = before.Idle
	for _, t := range before.Trials {
		t.step = slices.Index(c.asked.Axis.Steps, t.At)
		c.answer.Trials = append(c.answer.Trials, t)
		if t.Unfit || t.result() != capacitysearch.Undecided {
			c.add(search.Point{Load: slices.Index(c.asked.Loads, t.Load), Step: t.step}, t)
		}
	}
}

// add hands a trial to the search.
func (c *finder) add(p search.Point, t *Trial) {
	if t.Unfit {
		c.search.Unfit(p)
		return
	}
	c.search.Add(p, t.result())
}

// exit is the exit code of the answer.
func (a *Answer) exit() int {
	switch {
	case a.Baseline != nil && a.Baseline.Verdict == string(reports.Fail):
		return reports.ExitFail
	case a.Answer == capacity.Inconclusive, a.Baseline != nil && a.Baseline.Verdict == string(reports.Inconclusive):
		return reports.ExitInconclusive
	}
	return reports.ExitPass
}
