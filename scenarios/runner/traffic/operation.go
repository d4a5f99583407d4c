package traffic

import (
	"slices"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// operation is one operation with its attempts. Its memory is reused. One goroutine owns it at a time.
type operation struct {
	op       drivers.Op
	at       drivers.Attempt
	trail    []drivers.Attempt // the attempts that ended
	slot     int
	window   int
	shard    uint64
	begun    time.Duration // of the first attempt
	done     func()        // of a pipeline: called at the end of each attempt
	complete func()        // of a pipeline: called at the end of the operation
}

// reset makes the memory ready for an operation with that planned start.
func (o *operation) reset(due time.Duration) {
	o.op = drivers.Op{Planned: due}
	o.trail = o.trail[:0]
	o.begun = 0
}

// beginAttempt resets o.at for the next attempt.
func (o *operation) beginAttempt(now time.Duration) {
	o.at.Reset(len(o.trail)+1, now)
	o.op.Attempt = o.at.Number
	if len(o.trail) == 0 {
		o.begun = now
	}
}

// endAttempt appends the attempt that just ended to the trail and returns the time at which its outcome was known. It fills
// in the times that the driver left out and applies the outcomes that the stream gives to codes.
func (o *operation) endAttempt(env *drivers.Env, outcomes map[string]drivers.Outcome) time.Duration {
	at := &o.at
	if at.Done == 0 {
		at.Done = env.Clock()
	}
	if at.Sent == 0 {
		at.Sent = at.Begun
	}
	if at.Outcome == drivers.Unknown {
		// A driver that gives no outcome must never count as acked.
		at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "the driver gave no outcome")
		at.Wire = true
	}
	if at.Code != "" {
		if outcome, ok := outcomes[at.Code]; ok {
			at.Outcome = outcome
			if outcome == drivers.Acked {
				at.Code, at.Detail = "", ""
			}
		}
	}
	o.trail = append(o.trail, *at)
	return at.Done
}

// outcome is acked when any attempt was, rejected only when every attempt was, and otherwise indeterminate.
func (o *operation) outcome() drivers.Outcome {
	all := drivers.Rejected
	for i := range o.trail {
		switch o.trail[i].Outcome {
		case drivers.Acked:
			return drivers.Acked
		case drivers.Rejected:
		default:
			all = drivers.Indeterminate
		}
	}
	return all
}

// unsent says why the last attempt of an operation was not sent, or not to its end, by the run's own doing, and what to do about it; empty
// for all others. What would have become of the operation is not known.
func (o *operation) unsent() (remedy string) {
	if len(o.trail) == 0 {
		return ""
	}
	return o.trail[len(o.trail)-1].Unsent()
}

// partly says that a part of an operation was sent: an attempt, or a step or message of one.
func (o *operation) partly() bool {
	return slices.ContainsFunc(o.trail, func(at drivers.Attempt) bool { return at.Wire })
}

// ended describes the operation after its last attempt. The trail still belongs to o.
func (o *operation) ended() reports.Ended {
	e := reports.Ended{Op: o.op, Window: o.window, Trail: o.trail, Sent: o.begun}
	if n := len(o.trail); n > 0 {
		e.Outcome, e.Done = o.outcome(), o.trail[n-1].Done
		e.Sent = o.trail[0].Sent
	}
	return e
}
