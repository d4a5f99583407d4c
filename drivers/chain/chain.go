// Package chain takes the steps of an operation one after the other, up to the first that is not acked. Later steps use values that
// earlier ones captured. What a step sends is its driver's own.
package chain

import (
	"context"
	"errors"
	"time"

	"wringer/drivers"
)

// MaxSteps bounds the steps of a chain.
const MaxSteps = 50

// Exchange makes one step. One goroutine at a time uses it.
type Exchange interface {
	drivers.Session
	// Take appends what the step captures of the answer to the last attempt, which was acked. The values stay valid. why says which is
	// absent, with the answer; empty: none is.
	Take(op *drivers.Op, values drivers.Values) (_ drivers.Values, why string)
}

// Step is one step of a chain.
type Step struct {
	Name     string
	Exchange Exchange
	// Effectless says that the step asks for no effect.
	Effectless bool
}

// Session is a session of a chain.
type Session struct {
	clock  func() time.Duration
	steps  []Step
	op     drivers.Op
	values drivers.Values
}

// New returns a session that takes the steps. clock is the run's clock.
func New(clock func() time.Duration, steps []Step) *Session {
	return &Session{clock: clock, steps: steps}
}

// Do implements drivers.Session. The attempt is acked when every step was. A chain that stops at a step has that step's code. It is
// rejected only when the step was rejected and no earlier step asked for an effect. Otherwise it is indeterminate: a part of it was done.
func (s *Session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	s.op, s.values = *op, s.values[:0]
	s.op.Values = &s.values
	taken := make(drivers.Steps, 0, len(s.steps))
	whole := drivers.Attempt{Number: at.Number, Begun: at.Begun}
	effectless := true
	for i := range s.steps {
		step := &s.steps[i]
		at.Reset(at.Number, s.clock())
		step.Exchange.Do(ctx, &s.op, at)
		if at.Outcome == drivers.Acked {
			values, why := step.Exchange.Take(&s.op, s.values)
			if s.values = values; why != "" {
				at.Fail(drivers.Indeterminate, drivers.CodeCheck, why)
			}
		}
		if at.Outcome != drivers.Acked {
			at.Fail(at.Outcome, at.Code, "step "+step.Name+": "+at.Detail)
		}
		taken = append(taken, drivers.Step{Sent: max(at.Sent, at.Begun), Done: at.Done, Outcome: at.Outcome, Code: at.Code, Answered: at.Answered})
		join(&whole, at, i == 0)
		if at.Outcome != drivers.Acked {
			break
		}
		effectless = effectless && step.Effectless
	}
	if whole.Outcome == drivers.Rejected && !effectless {
		whole.Outcome = drivers.Indeterminate
	}
	whole.Steps = &taken
	*at = whole
}

// join adds a step to the attempt that it is part of. The last step decides how the attempt ended.
func join(whole, step *drivers.Attempt, first bool) {
	if first {
		whole.Sent = step.Sent
	}
	whole.Outcome, whole.Code, whole.Detail = step.Outcome, step.Code, step.Detail
	whole.Done, whole.Status, whole.RetryAfter = step.Done, step.Status, step.RetryAfter
	whole.Answered, whole.Partial = step.Answered, step.Partial
	whole.Wire = whole.Wire || step.Wire
	whole.Cut = whole.Wire && (step.Cut || !step.Wire)
	whole.Hidden += step.Hidden
	whole.Transparent += step.Transparent
	whole.In += step.In
	whole.Out += step.Out
	whole.Checked |= step.Checked
	whole.Failed |= step.Failed
}

// Close implements drivers.Session.
func (s *Session) Close() error {
	var all []error
	for i := range s.steps {
		all = append(all, s.steps[i].Exchange.Close())
	}
	return errors.Join(all...)
}
