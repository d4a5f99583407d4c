package drivertest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"wringer/drivers"
)

// behaviour sends one operation to a healthy target, and one to a target with the behaviour. It then sends more, until the
// driver works with the recovered target. A driver that stays broken after a fault would report its own state as the
// target's.
func (r *rig) behaviour(t *testing.T, b Behaviour, want Want) {
	s := r.newSender(t)
	defer s.end(t)
	first := r.attempt(t, t.Context(), s, patience)
	wants[Answer].check(t, &first)

	r.target.Behave(b)
	if b == Nobody {
		r.letNotice(t, s)
	}
	deadline := patience
	if b == Hang || b == Endless {
		deadline = short
	}
	before := r.count()
	at := r.attemptConnected(t, s, deadline)
	want.check(t, &at)
	codeIsTold(t, r.target.Config.Describe(), &at)
	r.received(t, before, at)
	// A shared connection may be found to have ended between the two: an attempt that never left is then rejected.
	again := r.attemptConnected(t, s, deadline)
	if again.Wire || again.Outcome != drivers.Rejected || again.Code != drivers.CodeRefused {
		want.check(t, &again)
	}

	r.target.Behave(Answer)
	eventually(t, "an ack from the target that is well again", func() bool {
		return r.attempt(t, t.Context(), s, patience).Outcome == drivers.Acked
	})
}

// attemptConnected makes an attempt again while its connection was not made within the deadline: a busy machine may be too slow
// for a handshake.
func (r *rig) attemptConnected(t *testing.T, s sender, deadline time.Duration) (at drivers.Attempt) {
	const most = 20
	for range most {
		at = r.attempt(t, t.Context(), s, deadline)
		if at.Wire || at.Outcome != drivers.Rejected || at.Code != drivers.CodeTimeout {
			break
		}
	}
	return at
}

// letNotice lets the driver notice that its connections have ended. A goroutine of its own reads a shared connection, so an
// attempt may be sent before the end is noticed. Such an attempt may have taken effect, but is never acked.
func (r *rig) letNotice(t *testing.T, s sender) {
	eventually(t, "the end of the connections to be noticed", func() bool {
		at := r.attempt(t, t.Context(), s, patience)
		if at.Outcome == drivers.Acked {
			t.Error("acked by nobody")
		}
		return !at.Wire
	})
}

// testCancel cancels an attempt whose operation the target holds.
func testCancel(t *testing.T, r *rig) {
	if _, ok := r.driver.(drivers.Pipeline); ok {
		t.Log("does not apply: a pipeline's attempts end by themselves")
		return
	}
	s := r.newSender(t)
	defer s.end(t)
	r.target.Behave(Hang)
	before := r.count()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	op := drivers.Op{Seq: 1}
	var at drivers.Attempt
	at.Reset(1, r.clock())
	done := make(chan struct{})
	go func() { defer close(done); s.do(ctx, &op, &at) }()
	if r.target.Received != nil {
		eventually(t, "the target to hold the operation", func() bool { return r.target.Received() > before })
	}
	cancel()
	within(t, "the cancelled attempt", func() { <-done })
	r.checkAttempt(t, &at)
	want := Want{Outcomes: indeterminate, Codes: []string{drivers.CodeCancelled}, Answered: No, Wire: Yes}
	if r.target.Received == nil {
		want.Outcomes, want.Wire = append(slices.Clone(indeterminate), drivers.Rejected), Either
	}
	want.check(t, &at)
}

// testEnded makes an attempt whose context has already ended.
func testEnded(t *testing.T, r *rig) {
	s := r.newSender(t)
	defer s.end(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	at := r.attempt(t, ctx, s, patience)
	Want{
		Outcomes: []drivers.Outcome{drivers.Rejected, drivers.Indeterminate},
		Codes:    []string{drivers.CodeCancelled},
		Answered: No,
	}.check(t, &at)
}

// testMany sends from many senders at once. With -race it also shows data shared between sessions.
func testMany(t *testing.T, r *rig) {
	const senders, each = 16, 50
	before := r.count()
	all := make([]drivers.Attempt, senders*each)
	within(t, "the traffic", func() {
		if p, ok := r.driver.(drivers.Pipeline); ok {
			r.flood(t, p, all)
			return
		}
		r.fanOut(t, senders, all)
	})
	for i := range all {
		r.checkAttempt(t, &all[i])
		wants[Answer].check(t, &all[i])
	}
	r.received(t, before, all...)
}

// fanOut divides the attempts among sessions.
func (r *rig) fanOut(t *testing.T, senders int, all []drivers.Attempt) {
	var wg sync.WaitGroup
	share := len(all) / senders
	for n := range senders {
		s, err := r.driver.Session()
		if err != nil {
			t.Errorf("session: %v", err)
			return
		}
		wg.Go(func() {
			defer s.Close()
			for i := n * share; i < (n+1)*share; i++ {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				op := drivers.Op{Seq: uint64(i)}
				all[i].Reset(1, r.clock())
				s.Do(ctx, &op, &all[i])
				cancel()
			}
		})
	}
	wg.Wait()
}

// flood sends all attempts by the pipeline, and flushes it.
func (r *rig) flood(t *testing.T, p drivers.Pipeline, all []drivers.Attempt) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ops := make([]drivers.Op, len(all))
	calls := make(chan int, 2*len(all))
	for i := range all {
		ops[i].Seq = uint64(i)
		all[i].Reset(1, r.clock())
		p.Send(ctx, &ops[i], &all[i], func() { calls <- i })
	}
	if err := p.Flush(ctx); err != nil {
		t.Errorf("flush: %v", err)
	}
	if len(calls) != len(all) {
		t.Errorf("after Flush done had been called %d times for %d attempts", len(calls), len(all))
	}
	seen := make([]bool, len(all))
	for range len(calls) {
		i := <-calls
		if seen[i] {
			t.Errorf("done was called twice for attempt %d", i)
		}
		seen[i] = true
	}
}
