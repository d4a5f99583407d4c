package runner

import (
	"context"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// flight carries one operation through its attempts. It is reused; one goroutine owns it at a time.
type flight struct {
	op     drivers.Op
	at     drivers.Attempt
	trail  []drivers.Attempt // the attempts that ended
	slot   int
	window int
	shard  uint64
	begun  time.Duration // of the first attempt
	post   *post         // of the worker that carries it; nil in a pipeline, whose attempts have no contexts of their own
	done   func()        // a pipeline's, of each attempt
	over   func()        // a pipeline's, of the operation
}

// start makes the flight ready for an operation that is due then.
func (f *flight) start(due time.Duration) {
	f.op = drivers.Op{Planned: due}
	f.trail = f.trail[:0]
	f.begun = 0
}

// attempt makes the next attempt ready.
func (f *flight) attempt(now time.Duration) {
	f.at.Reset(len(f.trail)+1, now)
	if len(f.trail) == 0 {
		f.begun = now
	}
}

// bound is the context of the attempt that begins: fly's, with a deadline.
func (f *flight) bound(fly context.Context, deadline time.Time) context.Context {
	return f.post.bound(fly, deadline)
}

// land takes the attempt that just ended into the trail, with the stamps that the driver left to us and the meanings that
// the stream gives to codes. It returns when the outcome was known.
func (f *flight) land(env *drivers.Env, meaning map[string]drivers.Outcome) time.Duration {
	if f.post != nil {
		f.post.end()
	}
	at := &f.at
	if at.Done == 0 {
		at.Done = env.Clock()
	}
	if at.Sent == 0 {
		at.Sent = at.Begun
	}
	if at.Outcome == drivers.Unknown {
		// A driver that says nothing leaves the question open; it must never read as acked.
		at.Fail(drivers.Indeterminate, drivers.CodeMalformed, "the driver gave no outcome")
		at.Wire = true
	}
	if at.Code != "" {
		if o, ok := meaning[at.Code]; ok {
			at.Outcome = o
			if o == drivers.Acked {
				at.Code, at.Detail = "", ""
			}
		}
	}
	f.trail = append(f.trail, *at)
	return at.Done
}

// outcome folds the attempts: acked when any was; rejected only when every one was; else indeterminate.
func (f *flight) outcome() drivers.Outcome {
	all := drivers.Rejected
	for i := range f.trail {
		switch f.trail[i].Outcome {
		case drivers.Acked:
			return drivers.Acked
		case drivers.Rejected:
		default:
			all = drivers.Indeterminate
		}
	}
	return all
}

// ended describes the operation once its last attempt has landed. The trail is the flight's own.
func (f *flight) ended() reports.Ended {
	e := reports.Ended{Op: f.op, Window: f.window, Trail: f.trail, Sent: f.begun}
	if n := len(f.trail); n > 0 {
		e.Outcome, e.Done = f.outcome(), f.trail[n-1].Done
		e.Sent = f.trail[0].Sent
	}
	return e
}
