package capacity

import (
	"context"
	"fmt"
	"slices"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

// begin warms the target up, calibrates the load generator, and tries the lowest load: a target that is dead, or fails its gates there,
// is told at once. Where a verdict hangs on that, a second trial must fail too.
func (c *finder) begin(ctx context.Context) (ending, error) {
	c.settle(ending{why: "the search is not over"})
	c.tell(c.answer, Progress{})
	dead, end, err := c.warmUp(ctx)
	if dead != nil {
		c.answer.Trials = append(c.answer.Trials, dead)
	}
	if end.early() || err != nil {
		return end, err
	}
	if end, err := c.calibrate(ctx); end.early() || err != nil {
		return end, err
	}
	at, d := c.asked.From, c.asked.Goal().Stages[0].Trial
	failed := 0
	for range patience {
		t, err := c.play(ctx, at, d)
		if end, err := interrupted(ctx, err); end.early() || err != nil {
			return end, err
		}
		if t.acked == 0 && t.silent && c.alive {
			t.fail("acked", new(0.0), nil, "nothing was acked, and the warm-up at this load had answers")
		}
		switch {
		case t.acked == 0 && t.result() == search.Undecided:
			return c.dead(t), nil
		case t.result() == search.Failed:
			if failed++; failed == enough || !c.judges() {
				return ending{below: true}, nil
			}
		}
		c.search.Add(search.Trial{Load: at, For: d, Result: t.result()})
		c.told(t)
		if t.result() == search.Passed {
			return ending{}, nil
		}
	}
	return ending{why: c.undecided(at)}, nil
}

// goOn warms the target up for a search that goes on, and waits until it is at its baseline: it may have been started anew, or still be as
// the last trial left it. A search that had its answer needs no target.
func (c *finder) goOn(ctx context.Context) (ending, error) {
	if _, _, more := c.search.Next(); !more && !c.asked.Explain {
		return ending{}, nil
	}
	if _, end, err := c.warmUp(ctx); end.early() || err != nil {
		return end, err
	}
	return c.comeBack(ctx)
}

// warmUp sends at the lowest load for a while. What it shows is discarded, unless the target is dead: then the search ends.
func (c *finder) warmUp(ctx context.Context) (dead *Trial, end ending, err error) {
	d := max(Shortest, c.asked.Trial/6)
	st := c.axis.Step(c.asked.From, min(d, 10*time.Second))
	st.Calm = true
	run, record, err := c.player.Play(ctx, 0, st)
	if end, err := interrupted(ctx, err); end.early() || err != nil {
		return nil, end, err
	}
	t := trial(c.axis, c.asked.From, run, nil)
	if c.alive = t.acked > 0; !c.alive && t.result() != search.Passed {
		t.Record = record
		return t, c.dead(t), nil
	}
	return nil, ending{}, nil
}

// dead is the ending of a search whose target acknowledged nothing in a trial.
func (c *finder) dead(t *Trial) ending {
	why, hint := t.Why, "is it up?"
	if t.failures != "" {
		why += "; " + t.failures
	}
	if t.answered {
		hint = "it answers: is the request right, and what ok says?"
	}
	return ending{why: fmt.Sprintf("the target acknowledged nothing at %s, the lowest load: %s (%s --from says a lower load)", c.axis.Text(t.At), why, hint)}
}

// calibrate measures the load generator against nothing.
func (c *finder) calibrate(ctx context.Context) (ending, error) {
	p, ok := c.player.(Calibrator)
	if !ok {
		return ending{}, nil
	}
	ceiling, why, err := p.Ceiling(ctx, c.axis)
	if end, err := interrupted(ctx, err); end.early() || err != nil {
		return end, err
	}
	c.answer.Generator.Why = why
	if ceiling > 0 {
		c.answer.Generator.Ceiling = &ceiling
	}
	return ending{}, nil
}

// searched is what was asked for, for the answer.
func (a *Asked) searched() *Searched {
	return &Searched{From: a.From, Max: a.Most, Width: a.Width, Trial: a.Trial.Seconds()}
}

// Resumes says why an earlier answer is not of the same search; nil: it is.
func (a *Asked) Resumes(before *Answer, name string) error {
	switch was := before.Search; {
	case before.Schema != Schema || was == nil || slices.Contains(before.Trials, nil):
		return fmt.Errorf("it holds no answer that can be gone on with")
	case before.Name != name:
		return fmt.Errorf("it is of scenario %s, not of %s", before.Name, name)
	case before.Axis != a.Axis.Name() || fmt.Sprint(before.Streams) != fmt.Sprint(a.Axis.Streams):
		return fmt.Errorf("it scaled the %s of %v, not the %s of %v", before.Axis, before.Streams, a.Axis.Name(), a.Axis.Streams)
	case *was != *a.searched():
		return fmt.Errorf("it searched from %s to %s, to a width of %v, by trials of %v s: give the same flags", a.Axis.Text(was.From), a.Axis.Text(was.Max), was.Width, was.Trial)
	}
	return nil
}

// resume takes over the trials of an earlier search. The search is a pure function of its trials, so it goes on where that one ended. A
// load that could not be decided is tried again: what was in the way may be gone.
func (c *finder) resume() {
	before := c.asked.Before
	if before == nil {
		return
	}
	c.before = time.Duration(before.Seconds * float64(time.Second))
	c.answer.Started, c.answer.Seed = before.Started, before.Seed
	c.answer.Generator = Generator{Ceiling: before.Generator.Ceiling, Why: before.Generator.Why}
	for _, t := range before.Trials {
		c.answer.Trials = append(c.answer.Trials, t)
		if !t.Probe && t.result() != search.Undecided {
			c.search.Add(search.Trial{Load: t.At, For: time.Duration(t.Planned * float64(time.Second)).Round(time.Microsecond), Result: t.result()})
		}
	}
	if all := c.answer.Trials; len(all) == 1 && all[0].Verdict != string(reports.Pass) { // the target was dead, or failed at the lowest load
		c.answer.Trials = all[:0]
		c.search = search.New(c.asked.Goal())
	}
}
