package capacity

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"wringer/reports"
	"wringer/scenarios/capacity/search"
)

// The look at a target between trials.
const (
	looks     = 6 // in a row without progress, until the target counts as tipped over
	mostLooks = 60
	lookFor   = 3 * time.Second
	workedOff = 0.9 // a backlog that shrinks to this share from one look to the next is progress

	// At a load its median may be so many times the best of those that passed there, and this much more. At the lowest load, where
	// nothing waits, it must be nearer.
	slowBy, slowThan = 3, 20 * time.Millisecond
	idleBy, idleThan = 1.5, 5 * time.Millisecond
	// far says that a load which failed is so many times the highest one that passed. A target that is slower by less fails at the latter.
	far = 1.5
)

// comeBack waits until the target is back at its baseline: it passes at the highest load that had passed, without faults, and answers
// about as fast as then. Every second look is at the lowest load, so that the target can work off what it has left. A target that does
// not come back is reset; where nobody said how, the search ends.
func (c *finder) comeBack(ctx context.Context) (ending, error) {
	at := c.highest()
	if at == 0 {
		return ending{}, nil
	}
	for reset := range 2 {
		back, bad, err := c.wait(ctx, at)
		if end, err := interrupted(ctx, err); end.early() || err != nil || back {
			return end, err
		}
		switch {
		case c.late(lookFor):
			return c.outOfTime(), nil
		case bad == nil:
			return ending{why: fmt.Sprintf("after a trial, %d looks at %s decided nothing of whether the target had come back", looks, c.axis.Text(at))}, nil
		case reset == 1:
			return ending{why: fmt.Sprintf("the target stayed bad at %s, where it had passed, after it was reset (%s)", c.axis.Text(bad.At), bad.Why)}, nil
		}
		if err := c.player.Reset(ctx); errors.Is(err, errors.ErrUnsupported) {
			return ending{why: fmt.Sprintf("the target stayed bad at %s, where it had passed (%s); --reset says how to bring it back", c.axis.Text(bad.At), bad.Why)}, nil
		} else if err != nil {
			return ending{}, fmt.Errorf("reset the target: %w", err)
		}
	}
	return ending{}, nil
}

// wait looks until the target is back; bad is the last look that failed. A target that has become slower for good may pass at a load far
// below its capacity: there the look at the lowest load must pass too. nil: nothing was decided.
func (c *finder) wait(ctx context.Context, at float64) (back bool, bad *Trial, err error) {
	was, before := math.Inf(1), c.lowestFailed() <= far*at || at == c.asked.From
	alone := before // the look at the highest load is enough
	for look, vain := 0, 0; look < mostLooks && vain < looks && !c.late(lookFor); look++ {
		load := at
		if look%2 == 1 {
			load = c.asked.From
		}
		t, err := c.look(ctx, load)
		if err != nil {
			return false, nil, err
		}
		passed := t.result() == search.Passed
		if passed && before && (load == at || !alone) {
			return true, nil, nil
		}
		if before = passed || alone; t.result() == search.Failed {
			bad = t
		}
		if vain++; t.Backlog > 0 && t.Backlog < workedOff*was {
			vain = 0
		}
		was = t.Backlog
	}
	return false, bad, nil
}

// look plays a short step without faults.
func (c *finder) look(ctx context.Context, at float64) (*Trial, error) {
	st := c.axis.Step(at, lookFor)
	st.Calm = true
	run, _, err := c.player.Play(ctx, 0, st)
	if err != nil {
		return nil, err
	}
	t := trial(c.axis, at, run, nil)
	if len(run.Gates) == 0 && run.Validity.Verdict == reports.Valid { // no gate holds without the faults: operations must be acked
		t.Verdict = string(reports.Pass)
		if t.Errors != nil && *t.Errors > 1-least {
			t.fail("acked", new(1-*t.Errors), new(least), reports.Share(1-*t.Errors)+" of the operations were acked")
		}
	}
	if passed := c.passedAt(at); t.result() == search.Passed && passed != nil && t.Backlog > max(2*passed.Backlog, passed.Backlog+at) { // a second's worth
		t.fail("backlog", &t.Backlog, &passed.Backlog, fmt.Sprintf("a backlog of %.0f is not worked off", t.Backlog))
	}
	if t.silent {
		t.fail("acked", nil, nil, t.Why)
	}
	was := c.medianAt(at)
	slow := t.P50NS == nil || was != nil && *t.P50NS > slowBy**was+float64(slowThan)
	if at == c.asked.From {
		slow = t.P50NS == nil || was != nil && Slower(*was, *t.P50NS)
	}
	if t.result() == search.Passed && was != nil && slow {
		now := reports.NoAnswer
		if t.P50NS != nil {
			now = reports.Duration(*t.P50NS)
		}
		t.fail("baseline", t.P50NS, was, fmt.Sprintf("its median is %s, and was %s", now, reports.Duration(*was)))
		if t.disturbed { // by other programs, or by the load generator: the time says nothing of the target
			t.Verdict = string(reports.Inconclusive)
		}
	}
	return t, nil
}

// Slower says whether a target's median response time at its lowest load, in nanoseconds, shows that it has become slower.
func Slower(was, now float64) bool { return now > idleBy*was+float64(idleThan) }

// medianAt is the lowest median response time of the trials that passed at a load; nil: not known.
func (c *finder) medianAt(at float64) (best *float64) {
	for _, t := range c.answer.Trials {
		if t.At == at && t.result() == search.Passed && t.P50NS != nil && (best == nil || *t.P50NS < *best) {
			best = t.P50NS
		}
	}
	return best
}

// passedAt is the last trial that passed at a load; nil: none did.
func (c *finder) passedAt(at float64) *Trial {
	for i := len(c.answer.Trials) - 1; i >= 0; i-- {
		if t := c.answer.Trials[i]; t.At == at && t.result() == search.Passed {
			return t
		}
	}
	return nil
}

// lowestFailed is the lowest load that failed; without one, a load above all.
func (c *finder) lowestFailed() float64 {
	failed := c.asked.Most * 2
	for _, t := range c.answer.Trials {
		if t.result() == search.Failed {
			failed = min(failed, t.At)
		}
	}
	return failed
}

// highest is the highest load that passed below every one that failed; 0: none did.
func (c *finder) highest() (at float64) {
	failed := c.lowestFailed()
	for _, t := range c.answer.Trials {
		if t.result() == search.Passed && t.At < failed {
			at = max(at, t.At)
		}
	}
	return at
}
