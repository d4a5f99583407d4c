package drivertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/drivers/drivertest/tier"
)

func TestMain(m *testing.M) {
	tier.AtOnce(tier.Waiting)
	goleak.VerifyTestMain(m)
}

// memory is a driver whose target is a field of its own. It shows that the suite can be passed, in both forms.
type memory struct {
	mode     atomic.Value
	received atomic.Int64
	pipeline bool
}

func (m *memory) Check(func(field, message string)) {}
func (m *memory) Describe() drivers.Description     { return drivers.Description{Place: "memory"} }

func (m *memory) Open(context.Context, drivers.Env) (drivers.Driver, error) {
	if m.pipeline {
		return &piped{memory: m}, nil
	}
	return m, nil
}

func (m *memory) Session() (drivers.Session, error) { return m, nil }
func (m *memory) Close() error                      { return nil }

func (m *memory) Do(ctx context.Context, _ *drivers.Op, at *drivers.Attempt) {
	if ctx.Err() != nil {
		at.Fail(drivers.Rejected, drivers.CodeCancelled, "before it began")
		return
	}
	mode := m.mode.Load().(Behaviour)
	if mode == Nobody {
		at.Fail(drivers.Rejected, drivers.CodeRefused, "nobody")
		return
	}
	at.Wire = true
	m.received.Add(1)
	switch mode {
	case Hang, Endless:
		<-ctx.Done()
		code := drivers.CodeTimeout
		if errors.Is(ctx.Err(), context.Canceled) {
			code = drivers.CodeCancelled
		}
		at.Fail(drivers.Indeterminate, code, "no answer")
	case Answer:
		at.Outcome, at.Answered = drivers.Acked, true
	case Reject, Fail:
		at.Fail(wants[mode].Outcomes[0], "told", "")
		at.Answered = true
	default:
		at.Fail(drivers.Indeterminate, wants[mode].Codes[0], "")
	}
}

type piped struct {
	*memory
	all sync.WaitGroup
}

func (p *piped) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	p.all.Go(func() {
		p.Do(ctx, op, at)
		done()
	})
}

func (p *piped) Flush(context.Context) error {
	p.all.Wait()
	return nil
}

func TestSuite(t *testing.T) {
	for name, pipeline := range map[string]bool{"sessions": false, "pipeline": true} {
		t.Run(name, func(t *testing.T) {
			Run(t, Subject{Start: func(testing.TB) Target {
				m := &memory{pipeline: pipeline}
				m.mode.Store(Answer)
				return Target{Config: m, Behave: func(b Behaviour) { m.mode.Store(b) }, Received: m.received.Load, Close: func() {}}
			}})
		})
	}
}

func TestWantsOfASubject(t *testing.T) {
	s := Subject{Wants: map[Behaviour]Want{Hang: {Codes: []string{"own"}, Wire: Either}}}
	w := s.want(Hang)
	if w.Codes[0] != "own" || w.Outcomes[0] != drivers.Indeterminate || w.Answered != No || !w.Wire.allows(false) {
		t.Errorf("%+v", w)
	}
	if Yes.allows(false) || No.allows(true) || !Either.allows(true) {
		t.Error("yes, no, either")
	}
}
