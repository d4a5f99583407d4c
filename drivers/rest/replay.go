package rest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"

	"wringer/drivers"
)

// keyHeader carries the key by which a target recognises a repeated request
// (draft-ietf-httpapi-idempotency-key-header-07, "The Idempotency-Key HTTP Request Header Field").
const keyHeader = "Idempotency-Key"

// replayable returns why the stream's operations cannot be replayed; nil if they can.
func (c *Config) replayable() error {
	if c.Request == "" || !c.plain() {
		return errNotPlain
	}
	for name, value := range c.Headers {
		if strings.EqualFold(name, keyHeader) {
			if t, err := drivers.CompileTemplate(value); err == nil && t.Static() {
				return errors.New(`needs a key of its own for each operation: write Idempotency-Key: "{{id}}"`)
			}
			return nil
		}
	}
	return errors.New(`needs a key in each request: add the header Idempotency-Key: "{{id}}"`)
}

// replaying resends operations over connections of its own: unchanged, and with a changed body.
type replaying struct {
	same, changed replayDriver
	kinds         []drivers.ReplayKind
}

// replayDriver is a driver with a pool of sessions that grows as needed.
type replayDriver struct {
	d    *driver
	mu   sync.Mutex
	idle []drivers.Session
}

// openReplays prepares the replays of a stream. The requests have a mark of their own, so that a witness does not
// count them as the operation's.
func (c *Config) openReplays(env drivers.Env) (*replaying, error) {
	if env.Mark != "" {
		env.Mark += drivers.ReplayTag
	}
	env.Replay = func(uint64) bool { return true }
	r := &replaying{kinds: drivers.ReplayKinds}
	for _, a := range []*replayDriver{&r.same, &r.changed} {
		// The first compilation found no problem, so this one finds none.
		one := c.compile(&env, func(string, string) {})[0]
		if a == &r.changed {
			one.request.change = changer(env.Identity)
		}
		d, err := newClient(env, c).driver(one.request, one.evaluator)
		if err != nil {
			return nil, err
		}
		a.d = d
	}
	// Bytes after the end of a multipart form are not part of it, so a change there would change nothing.
	if len(r.same.d.request.body) == 0 || c.Multipart != nil {
		r.kinds = []drivers.ReplayKind{drivers.ReplaySame, drivers.ReplayConcurrent}
	}
	return r, nil
}

// Replays implements drivers.Replayer.
func (d *driver) Replays() []drivers.ReplayKind { return d.replays.kinds }

// Replay implements drivers.Replayer.
func (d *driver) Replay(ctx context.Context, op *drivers.Op, first drivers.Answer, kind drivers.ReplayKind) drivers.Replay {
	switch kind {
	case drivers.ReplayConcurrent:
		return classifyConcurrent(first, d.replays.same.twice(ctx, op))
	case drivers.ReplayChanged:
		return classifyChanged(d.replays.changed.send(ctx, op))
	}
	return classifySame(first, d.replays.same.send(ctx, op))
}

func (a *replayDriver) send(ctx context.Context, op *drivers.Op) (at drivers.Attempt) {
	at.Reset(1, a.d.env.Clock())
	session, err := a.take()
	if err != nil {
		at.Fail(drivers.Rejected, drivers.CodeRefused, err.Error())
		return at
	}
	op.Attempt++ // a span of its own
	session.Do(ctx, op, &at)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.idle = append(a.idle, session)
	return at
}

// twice sends an operation twice at the same time.
func (a *replayDriver) twice(ctx context.Context, op *drivers.Op) (both [2]drivers.Attempt) {
	var other sync.WaitGroup
	one := *op
	one.Attempt++
	other.Go(func() { both[1] = a.send(ctx, &one) })
	both[0] = a.send(ctx, op)
	other.Wait()
	return both
}

func (a *replayDriver) take() (drivers.Session, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.idle); n > 0 {
		session := a.idle[n-1]
		a.idle = a.idle[:n-1]
		return session, nil
	}
	return a.d.Session()
}

// close closes the connections. It must not be called while a replay runs.
func (r *replaying) close() error {
	if r == nil {
		return nil
	}
	var all []error
	for _, a := range []*replayDriver{&r.same, &r.changed} {
		for _, session := range a.idle {
			all = append(all, session.Close())
		}
		a.idle = nil
		all = append(all, a.d.Close())
	}
	return errors.Join(all...)
}

// unrelated returns why an answer says nothing about the key: there is no answer, or it refuses for another reason.
func unrelated(at *drivers.Attempt) string {
	switch {
	case !at.Answered || at.Answer.Status == 0:
		return "no answer: " + at.Code
	case at.Answer.Status == 429 || at.Answer.Status >= 500:
		return "answered " + describeAnswer(at.Answer)
	}
	return ""
}

func describeAnswer(a drivers.Answer) string {
	return fmt.Sprintf("%d with %d bytes", a.Status, a.Size)
}

// classifySame follows the draft: "the resource server SHOULD respond with the result of the previously completed
// operation".
func classifySame(first drivers.Answer, at drivers.Attempt) drivers.Replay {
	r := drivers.Replay{Attempts: []drivers.Attempt{at}}
	switch why := unrelated(&at); {
	case first.Status == 0:
		r.Why = "the first answer was not kept"
	case why != "":
		r.Why = why
	case at.Answer == first:
		r.Judgement = drivers.ReplayHonoured
	default:
		r.Judgement, r.Why = drivers.ReplayViolation, difference(first, at.Answer)
	}
	return r
}

// difference describes how an answer differs from the first one.
func difference(first, now drivers.Answer) string {
	if first.Status == now.Status && first.Size == now.Size {
		return fmt.Sprintf("answered %s, like the first time, but with another body", describeAnswer(now))
	}
	return fmt.Sprintf("answered %s, and the first time %s", describeAnswer(now), describeAnswer(first))
}

// classifyConcurrent expects the first result, or 409 while the other request runs. One of the two must get the
// result.
func classifyConcurrent(first drivers.Answer, both [2]drivers.Attempt) drivers.Replay {
	r := drivers.Replay{Attempts: both[:]}
	conflicts, open := 0, ""
	for i := range both {
		at := &both[i]
		if at.Answered && at.Answer.Status == 409 && at.Answer != first {
			conflicts++
			continue
		}
		one := classifySame(first, *at)
		switch one.Judgement {
		case drivers.ReplayViolation:
			r.Judgement, r.Why = one.Judgement, one.Why
			return r
		case drivers.ReplayUndecided:
			open = one.Why
		}
	}
	switch {
	case open != "":
		r.Why = open
	case conflicts == len(both):
		r.Judgement, r.Why = drivers.ReplayViolation, "both of two at once were answered 409, so neither got the result"
	default:
		r.Judgement = drivers.ReplayHonoured
	}
	return r
}

// classifyChanged follows the draft: "if there is an attempt to reuse an idempotency key with a different request
// payload, the resource server SHOULD reply with an HTTP 422 status code".
func classifyChanged(at drivers.Attempt) drivers.Replay {
	r := drivers.Replay{Attempts: []drivers.Attempt{at}}
	switch why := unrelated(&at); {
	case why != "":
		r.Why = why
	case at.Answer.Status == 422:
		r.Judgement = drivers.ReplayHonoured
	case at.Answer.Status >= 300:
		r.Judgement, r.Why = drivers.ReplayDeviation, fmt.Sprintf("a changed body was refused with %d, and not with 422", at.Answer.Status)
	default:
		r.Judgement, r.Why = drivers.ReplayViolation, fmt.Sprintf("a changed body was answered %s, and not refused with 422", describeAnswer(at.Answer))
	}
	return r
}

var digestSeed = maphash.MakeSeed()

// kept is the summary of an answer that is kept for comparison.
func (a *answer) kept() drivers.Answer {
	return drivers.Answer{Status: int16(a.status), Size: int32(min(a.size, 1<<31-1)), Digest: maphash.Bytes(digestSeed, a.body)}
}
