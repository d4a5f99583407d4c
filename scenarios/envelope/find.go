package envelope

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity"
	capacitysearch "wringer/scenarios/capacity/search"
	"wringer/scenarios/envelope/search"
	"wringer/scenarios/runner"
)

// Asked is what is searched for, and how.
type Asked struct {
	Axis *Axis
	// Scale says which streams make the load. Loads are the loads to search at, ascending, each once.
	Scale *capacity.Axis
	Loads []float64
	// Within bounds the whole search; 0: nothing does. The bounds reached are then the answer.
	Within time.Duration
	// Baseline is compared with the answer; nil: there is none.
	Baseline *Baseline
	// Before is the answer of an earlier search for the same, which this one goes on with; nil: none.
	Before *Answer
}

// Progress is told after each trial.
type Progress struct {
	Trial    *Trial
	Row      *Row          // what is known of its load
	Left     time.Duration // an estimate: as if the frontier lay in the middle of the bounds
	LeftRuns int
}

// The numbers of trials, and the length of a look at the target between them.
const (
	patience = 3
	recovers = 6
	look     = 3 * time.Second
)

// finder is a search under way.
type finder struct {
	asked  Asked
	sc     *scenarios.Scenario
	read   Read
	player Player
	search *search.Search
	answer *Answer
	tell   func(*Answer, Progress)
	begun  time.Time
	before time.Duration // what an earlier search took
	// idle is the lowest median response time of the looks that passed, in nanoseconds; nil: not known.
	idle *float64
}

// Goal is the goal of the search that was asked for.
func (a *Asked) Goal() search.Goal {
	return search.Goal{Loads: len(a.Loads), Steps: len(a.Axis.Steps), Patience: patience}
}

// Find searches. read reads the scenario with another intensity. tell is called after each trial with the answer so far. When ctx ends,
// the answer is what is known by then, with the exit code of an interrupted run. An error means that there is no answer.
func Find(ctx context.Context, sc *scenarios.Scenario, asked Asked, read Read, player Player, tell func(*Answer, Progress)) (*Answer, error) {
	c := &finder{
		asked: asked, sc: sc, read: read, player: player, search: search.New(asked.Goal()), answer: newAnswer(sc, asked), tell: tell, begun: time.Now(),
	}
	c.resume()
	reason, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	c.settle(reason)
	if ctx.Err() != nil {
		c.answer.Exit = reports.ExitInterrupted
	}
	return c.answer, nil
}

// run makes trials until the search ends. reason says why it ended before its end.
func (c *finder) run(ctx context.Context) (reason string, err error) {
	if bad, why, err := c.bad(ctx, patience); err != nil || bad || why != "" {
		if bad {
			why = fmt.Sprintf("without the fault the target fails at %s already: %s", c.lowest(), why)
		}
		return why, err
	}
	for {
		p, more := c.search.Next()
		if !more {
			return "", nil
		}
		if w := c.asked.Within; w > 0 && time.Since(c.begun)+c.length(p) > w && len(c.answer.Trials) > 0 {
			return fmt.Sprintf("%s have passed, and the bounds are not as narrow as asked", w), nil
		}
		t, err := c.play(ctx, p)
		if ctx.Err() != nil {
			return "interrupted", nil
		}
		if err != nil {
			return "", err
		}
		c.add(p, t)
		c.told(p, t)
		if t.result() == capacitysearch.Passed {
			continue
		}
		if reason, err := c.recover(ctx); reason != "" || err != nil {
			return reason, err
		}
	}
}

// length is what a trial takes.
func (c *finder) length(p search.Point) time.Duration {
	return c.sc.Run.Warmup + c.sc.Run.Duration + c.sc.Run.Drain + c.asked.Axis.Change(p.Step).Longer
}

// play makes a trial.
func (c *finder) play(ctx context.Context, p search.Point) (*Trial, error) {
	change := c.asked.Axis.Change(p.Step)
	sc, err := c.read(change)
	if err != nil {
		return nil, err
	}
	at := c.asked.Loads[p.Load]
	st := c.asked.Scale.Step(at, 0)
	st.Scenario = sc
	run, record, err := c.player.Play(ctx, len(c.answer.Trials)+1, st)
	if err != nil {
		return nil, err
	}
	t := newTrial(c.asked.Scale.Streams, run)
	t.Load, t.At, t.Value, t.step, t.Record = at, c.asked.Axis.Steps[p.Step], change.Value, p.Step, record
	c.answer.Trials = append(c.answer.Trials, t)
	return t, nil
}

// told tells of a trial, with an estimate of what is left.
func (c *finder) told(p search.Point, t *Trial) {
	c.settle("the search is not over")
	n := c.search.Left()
	c.tell(c.answer, Progress{Trial: t, Row: c.answer.Frontier[p.Load], Left: time.Duration(n) * c.length(p), LeftRuns: n})
}

func (c *finder) lowest() string { return c.asked.Scale.Text(c.asked.Loads[0]) }

// recover waits until the target is back at its baseline. A target that does not come back is reset; where nobody said how, the search
// ends.
func (c *finder) recover(ctx context.Context) (reason string, err error) {
	for reset := range 2 {
		bad, why, err := c.bad(ctx, recovers)
		switch {
		case err != nil || !bad && why != "":
			return why, err
		case !bad:
			return "", nil
		case reset == 1:
			return fmt.Sprintf("the target stayed bad at %s without the fault, where it was good before, after it was reset: %s", c.lowest(), why), nil
		}
		if err := c.player.Reset(ctx); errors.Is(err, errors.ErrUnsupported) {
			return fmt.Sprintf("after a trial the target stayed bad at %s without the fault, where it was good before: %s; --reset says how to bring it back", c.lowest(), why), nil
		} else if err != nil {
			return "", fmt.Errorf("reset the target: %w", err)
		}
	}
	return "", nil
}

// bad looks at the target at the lowest load without the fault, until it is good, and at most so many times. why says what it did the
// last time, or why nothing is known of it.
func (c *finder) bad(ctx context.Context, most int) (bad bool, why string, err error) {
	for range most {
		st := c.asked.Scale.Step(c.asked.Loads[0], 0)
		st.Scenario = c.sc.Quiet(look)
		t, err := c.quiet(ctx, st)
		switch {
		case ctx.Err() != nil:
			return false, "interrupted", nil
		case err != nil:
			return false, "", err
		case t.result() == capacitysearch.Passed:
			return false, "", nil
		case t.result() == capacitysearch.Failed:
			bad, why = true, t.Why
		case !bad:
			why = fmt.Sprintf("%d looks at %s without the fault decided nothing: %s", most, c.lowest(), t.Why)
		}
	}
	return bad, why, nil
}

// quiet looks at the target once. Without a gate on it, a target is good that answers. One that acks nothing is bad.
func (c *finder) quiet(ctx context.Context, st runner.Step) (*Trial, error) {
	run, _, err := c.player.Play(ctx, 0, st)
	if err != nil {
		return nil, err
	}
	t := newTrial(c.asked.Scale.Streams, run)
	switch {
	case t.acked == 0 && t.result() != capacitysearch.Failed:
		t.Verdict = string(reports.Fail)
		if t.Why == "" || t.offered > 0 {
			t.Why = "no operation was acked"
		}
	case len(st.Scenario.Expect) == 0 && run.Validity.Verdict == reports.Valid:
		t.Verdict = string(reports.Pass)
	}
	if failures := capacity.Failures(c.asked.Scale.Streams, run); t.acked == 0 && failures != "" {
		t.Why += "; " + failures
	}
	c.compare(t)
	return t, nil
}

// compare fails a look that passed, if the target answers more slowly than before the search: what a fault did to it may have stayed.
func (c *finder) compare(t *Trial) {
	switch {
	case t.result() != capacitysearch.Passed || t.p50 == nil:
	case c.idle != nil && capacity.Slower(*c.idle, *t.p50):
		t.Verdict, t.Why = string(reports.Fail), fmt.Sprintf("its median is %s, and was %s", reports.Duration(*t.p50), reports.Duration(*c.idle))
		if t.disturbed {
			t.Verdict = string(reports.Inconclusive)
		}
	case c.idle == nil || *t.p50 < *c.idle:
		c.idle = t.p50
	}
}
