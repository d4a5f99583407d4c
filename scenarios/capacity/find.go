package capacity

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/capacity/search"
	"wringer/scenarios/runner"
)

// Asked is what is searched for, and how.
type Asked struct {
	Axis *Axis
	// From and Most bound the loads.
	From, Most float64
	// Width is the wanted width of the bracket: the upper bound over the lower one, less 1.
	Width float64
	// Trial is the length of a trial that counts whole. Fixed says that trials of another length are not possible: the scenario has
	// faults or phases.
	Trial time.Duration
	Fixed bool
	// Within bounds the whole search; 0: nothing does. The best bracket reached is then the answer.
	Within time.Duration
	// Explain asks for the loads at which the gates that hold at the upper bound give way. No trial ends early then.
	Explain bool
	// Baseline is compared with the answer; nil: there is none.
	Baseline *Baseline
	// Before is the answer of an earlier search for the same, which this one goes on with; nil: none.
	Before *Answer
}

// Player plays steps on one target.
type Player interface {
	// Play plays a step. at is the number of the trial, from 1; 0: the step is no trial. It returns the record and its place; a place is
	// relative to the answer's.
	Play(ctx context.Context, at int, st runner.Step) (run *reports.Run, record string, err error)
	// Reset brings the target back after it did not come back by itself. It returns errors.ErrUnsupported where nobody said how.
	Reset(ctx context.Context) error
}

// Calibrator is an optional extra of a Player that measures the load generator itself.
type Calibrator interface {
	// Ceiling is the number of operations a second that the generator reaches with the axis's streams against a target that does
	// nothing; 0: not measured, and why says so. It blocks for some seconds. An error means that ctx ended.
	Ceiling(ctx context.Context, axis *Axis) (perSecond float64, why string, err error)
}

// Progress is told after each trial, and before the first one.
type Progress struct {
	Trial    *Trial // nil before the first one
	Lower    *search.Bound
	Upper    *search.Bound
	Left     time.Duration // an estimate: as if the answer were in the middle of the bounds
	LeftRuns int
}

// finder is a search under way.
type finder struct {
	asked    Asked
	axis     *Axis
	scenario *scenarios.Scenario
	search   *search.Search
	answer   *Answer
	player   Player
	tell     func(*Answer, Progress)
	begun    time.Time
	before   time.Duration // what an earlier search took
	alive    bool          // the warm-up had answers
	// around is what a trial takes beside its length.
	around time.Duration
}

// Shortest is the shortest trial: one that is shorter has too few seconds to show that a backlog grows.
const Shortest = fewest * time.Second

const (
	patience = 3 // trials in a row at one load that decide nothing, until the search ends
	enough   = 2 // trials that fail at the lowest load, until that is certain
	exceed   = 0.4
)

// Goal is the goal of the search that was asked for.
func (a *Asked) Goal() search.Goal {
	short, confirm := max(Shortest, a.Trial/6), 2*a.Trial
	if a.Fixed {
		short, confirm = a.Trial, a.Trial
	}
	return search.Goal{
		From: a.From, Most: a.Most, Start: min(max(a.Axis.Written, a.From), a.Most), Whole: a.Axis.Users, Exceed: exceed, Patience: patience,
		Stages: search.Stages(a.Width, min(short, a.Trial), a.Trial, confirm),
	}
}

// Find searches. tell is called after each trial with the answer so far. When ctx ends, the answer is what is known by then, with the
// exit code of an interrupted run. An error means that there is no answer.
func Find(ctx context.Context, sc *scenarios.Scenario, asked Asked, player Player, tell func(*Answer, Progress)) (*Answer, error) {
	goal := asked.Goal()
	if err := goal.Check(); err != nil {
		return nil, err
	}
	c := &finder{
		asked: asked, axis: asked.Axis, scenario: sc, search: search.New(goal), player: player, tell: tell, begun: time.Now(), around: sc.Run.Warmup + sc.Run.Drain,
		answer: &Answer{
			Schema: Schema, Name: sc.Name, Seed: sc.Seed, Started: time.Now(), Axis: asked.Axis.Name(), Unit: asked.Axis.Unit(), Streams: asked.Axis.Streams,
			Search: asked.searched(), Baseline: asked.Baseline, Trials: []*Trial{},
		},
	}
	c.resume()
	end, err := c.run(ctx)
	if err != nil {
		return nil, err
	}
	c.settle(end)
	if ctx.Err() != nil {
		c.answer.Exit = reports.ExitInterrupted
	}
	return c.answer, nil
}

// run makes trials until the search ends.
func (c *finder) run(ctx context.Context) (ending, error) {
	start := c.begin
	if len(c.answer.Trials) > 0 {
		start = c.goOn
	}
	if end, err := start(ctx); end.early() || err != nil {
		return end, err
	}
	for {
		at, d, more := c.search.Next()
		if !more {
			break
		}
		if c.late(d) {
			return c.outOfTime(), nil
		}
		if end, err := c.try(ctx, at, d); end.early() || err != nil {
			return end, err
		}
	}
	if why := c.stuck(); why != "" {
		return ending{why: why}, nil
	}
	return c.explain(ctx)
}

// judges says whether a verdict hangs on the bounds.
func (c *finder) judges() bool { return len(c.scenario.Capacity) > 0 || c.asked.Baseline != nil }

func (c *finder) outOfTime() ending {
	return ending{why: fmt.Sprintf("the time of %s is over, and the bracket is not as narrow as asked", c.asked.Within)}
}

// late says whether another trial of that length would end too late.
func (c *finder) late(d time.Duration) bool {
	w := c.asked.Within
	return w > 0 && time.Since(c.begun)+d+c.around > w && len(c.answer.Trials) > 0
}

// try makes a trial, and waits until the target is back.
func (c *finder) try(ctx context.Context, at float64, d time.Duration) (ending, error) {
	t, err := c.play(ctx, at, d)
	if end, err := interrupted(ctx, err); end.early() || err != nil {
		return end, err
	}
	c.search.Add(search.Trial{Load: at, For: d, Result: t.result()})
	c.told(t)
	if _, stuck := c.search.Stuck(); stuck || t.result() == search.Passed && len(c.scenario.Faults) == 0 {
		return ending{}, nil
	}
	return c.comeBack(ctx)
}

// interrupted is the ending of a search whose context has ended, and otherwise the error.
func interrupted(ctx context.Context, err error) (ending, error) {
	if ctx.Err() != nil {
		return ending{why: "interrupted"}, nil
	}
	return ending{}, err
}

func (c *finder) play(ctx context.Context, at float64, d time.Duration) (*Trial, error) {
	st := c.axis.Step(at, d)
	st.GiveUp = !c.asked.Explain
	if c.asked.Fixed {
		st.Duration = 0
	}
	run, record, err := c.player.Play(ctx, len(c.answer.Trials)+1, st)
	if err := cmp.Or(err, ctx.Err()); err != nil { // an interrupted trial shows nothing
		return nil, err
	}
	t := trial(c.axis, at, run, c.quickest(at))
	t.Record, t.Planned = record, d.Seconds()
	if t.Busy && !c.believed(at) {
		t.undecided()
	}
	if lower := c.highest(); t.silent && 0 < lower && lower < at { // whether it has died is looked at next
		t.fail("acked", nil, nil, t.Why+"; at "+c.axis.Text(lower)+" it was healthy")
	}
	c.answer.Trials = append(c.answer.Trials, t)
	return t, nil
}

// told tells of a trial, with an estimate of what is left.
func (c *finder) told(t *Trial) {
	low, high := c.search.Bounds()
	n, length := c.search.Left()
	c.settle(ending{why: "the search is not over"})
	c.tell(c.answer, Progress{Trial: t, Lower: low, Upper: high, Left: length + time.Duration(n)*c.around, LeftRuns: n})
}

// stuck says why a load could not be decided; empty: all could.
func (c *finder) stuck() string {
	at, stuck := c.search.Stuck()
	if !stuck {
		return ""
	}
	return c.undecided(at)
}

// undecided says why trials at a load decided nothing.
func (c *finder) undecided(at float64) string {
	for i := len(c.answer.Trials) - 1; i >= 0; i-- {
		switch t := c.answer.Trials[i]; {
		case t.At != at:
		case t.saturated && c.answer.Generator.Ceiling != nil && !c.axis.Users:
			return fmt.Sprintf("the load generator was saturated at %s (against nothing it reached %s)", c.axis.Text(at), rate(*c.answer.Generator.Ceiling))
		case t.saturated:
			return "the load generator was saturated at " + c.axis.Text(at)
		default:
			return fmt.Sprintf("%d trials at %s decided nothing: %s", patience, c.axis.Text(at), t.Why)
		}
	}
	return ""
}
