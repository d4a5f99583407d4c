package traffic

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers is a driver whose function answers each attempt.
type answers func(ctx context.Context, op *drivers.Op, at *drivers.Attempt)

func (a answers) Session() (drivers.Session, error)                           { return a, nil }
func (a answers) Close() error                                                { return nil }
func (a answers) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) { a(ctx, op, at) }

// ended is a follower that keeps the operations.
type ended struct {
	mu  sync.Mutex
	all []reports.Ended
}

func (e *ended) Ended(batch []reports.Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, op := range batch {
		op.Trail = slices.Clone(op.Trail)
		e.all = append(e.all, op)
	}
}

// run sends a stream for 2 s of virtual time, after a second of warm-up. It returns the counts, the operations, and the time
// that the traffic took.
func run(t *testing.T, spec scenarios.Stream, driver drivers.Driver) (counts reports.Counts, all []reports.Ended, elapsed time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		timing := scenarios.Timing{Warmup: time.Second, Duration: 2 * time.Second, MaxLag: scenarios.DefaultMaxLag}
		zero := time.Now().Add(timing.Warmup)
		spec.Name = "a"
		if spec.Timeout == 0 {
			spec.Timeout = 5 * time.Second
		}
		s := New(Config{
			Spec: &spec, Driver: driver, Timing: timing, Virtual: true,
			Slots: metrics.NewSlots([]metrics.Span{{Start: 0, End: timing.Duration}}),
			Env:   drivers.Env{Seed: 1, Clock: func() time.Duration { return time.Since(zero) }, Epoch: func() time.Time { return zero }},
		})
		follower := &ended{}
		s.Follow(follower)
		s.Run(t.Context(), t.Context())
		elapsed = time.Since(zero)
		taken, _ := s.Take()
		for _, cell := range taken {
			counts.Add(cell.Counts)
		}
		if err := s.Failed(); err != nil || s.InFlight() != 0 || len(s.Open()) != 0 {
			t.Errorf("failed: %v; %d operations in flight, %d slots open", err, s.InFlight(), len(s.Open()))
		}
		all = follower.all
	})
	slices.SortFunc(all, func(a, b reports.Ended) int { return int(a.Op.Seq) - int(b.Op.Seq) })
	for i := range all {
		if all[i].Op.Seq != uint64(i) {
			t.Fatalf("operation %d has the number %d", i, all[i].Op.Seq)
		}
	}
	return counts, all, elapsed
}

// after acks after d, or times out.
func after(d time.Duration) answers {
	return func(ctx context.Context, _ *drivers.Op, at *drivers.Attempt) {
		at.Wire = true
		if !sleep(ctx, d) {
			at.Fail(drivers.Indeterminate, drivers.CodeTimeout, "")
			return
		}
		at.Outcome, at.Answered = drivers.Acked, true
	}
}

func TestOpenModelFollowsItsPlan(t *testing.T) {
	counts, all, _ := run(t, scenarios.Stream{Rate: &scenarios.Rate{Constant: 100}, MaxInFlight: 50}, after(100*time.Millisecond))
	if len(all) != 300 || counts.Offered != 200 || counts.Acked != 200 || counts.Dropped != 0 {
		t.Errorf("%d operations, %+v", len(all), counts)
	}
	for i, e := range all {
		if want := time.Duration(i)*10*time.Millisecond - time.Second; e.Op.Planned != want || e.Done != want+100*time.Millisecond {
			t.Fatalf("operation %d: planned for %s, done at %s; want %s and 100 ms later", i, e.Op.Planned, e.Done, want)
		}
	}
}

// Arrivals beyond max_in_flight are dropped, and counted as the target's doing.
func TestFullMaxInFlightDrops(t *testing.T) {
	counts, all, _ := run(t, scenarios.Stream{Rate: &scenarios.Rate{Constant: 100}, MaxInFlight: 5}, after(95*time.Millisecond))
	if len(all) != 300 || counts.Offered != 200 || counts.Acked != 100 || counts.Dropped != 100 || counts.DroppedByUs != 0 {
		t.Errorf("%d operations, %+v: want half of them dropped", len(all), counts)
	}
}

// A stream with a number of operations ends with them. Those of the warm-up do not count.
func TestOperationsEndTheStream(t *testing.T) {
	quick := answers(func(ctx context.Context, _ *drivers.Op, at *drivers.Attempt) {
		time.Sleep(10 * time.Millisecond)
		at.Outcome, at.Answered = drivers.Acked, true
	})
	for name, spec := range map[string]scenarios.Stream{
		"open":   {Rate: &scenarios.Rate{Constant: 100}, MaxInFlight: 100, Operations: 50},
		"closed": {Users: 3, Operations: 50},
	} {
		counts, all, elapsed := run(t, spec, quick)
		measured := 0
		for i := range all {
			if all[i].Op.Planned >= 0 {
				measured++
			}
		}
		if measured != 50 || len(all) <= 50 || counts.Dropped > 0 || elapsed >= time.Second {
			t.Errorf("%s: %d measured of %d, %d dropped, after %s", name, measured, len(all), counts.Dropped, elapsed)
		}
	}
}

// The closed model begins an operation when the one before has ended, and none after the end.
func TestUsersWaitForAnswers(t *testing.T) {
	counts, all, elapsed := run(t, scenarios.Stream{Users: 4}, after(100*time.Millisecond))
	if len(all) != 120 || counts.Offered != 80 || counts.Acked != 80 || elapsed != 2*time.Second {
		t.Errorf("%d operations, %+v, in %s", len(all), counts, elapsed)
	}
}

// An attempt ends at its timeout, its retries follow the policy, and the first ack settles the operation.
func TestRetriesOfAnOperation(t *testing.T) {
	slow := after(time.Minute)
	driver := answers(func(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
		if at.Number < 3 {
			slow(ctx, op, at)
			return
		}
		after(0)(ctx, op, at)
	})
	spec := scenarios.Stream{
		Rate: &scenarios.Rate{Constant: 10}, MaxInFlight: 50, Timeout: 50 * time.Millisecond,
		Retry: &scenarios.Retry{Attempts: 3, Backoff: 10 * time.Millisecond, MaxBackoff: 10 * time.Millisecond, Jitter: scenarios.JitterNone},
	}
	counts, all, _ := run(t, spec, driver)
	if counts.Acked != 20 || counts.Attempts != 60 || counts.Retries != 40 {
		t.Errorf("%+v", counts)
	}
	for _, e := range all {
		if len(e.Trail) != 3 || e.Outcome != drivers.Acked || e.Done != e.Op.Planned+120*time.Millisecond {
			t.Fatalf("operation %d: %d attempts, %s, done %s after its plan", e.Op.Seq, len(e.Trail), e.Outcome, e.Done-e.Op.Planned)
		}
	}
}

// An operation of which only refused attempts were sent surely took no effect, although its retry could not be sent. One that was left
// without an answer may have.
func TestOutcomesOfPartlySentOperations(t *testing.T) {
	driver := answers(func(_ context.Context, op *drivers.Op, at *drivers.Attempt) {
		switch {
		case at.Number > 1:
			at.Fail(drivers.Rejected, drivers.CodeRefused, "dial tcp 127.0.0.1:1: "+syscall.EMFILE.Error())
		case op.Seq%2 == 0:
			at.Wire, at.Answered = true, true
			at.Fail(drivers.Rejected, "http_429", "too many")
		default:
			at.Wire = true
			at.Fail(drivers.Indeterminate, "http_503", "busy")
		}
	})
	spec := scenarios.Stream{
		Rate: &scenarios.Rate{Constant: 10}, MaxInFlight: 50,
		Retry: &scenarios.Retry{Attempts: 2, Backoff: 10 * time.Millisecond, Jitter: scenarios.JitterNone, On: []string{"http_429", "http_503"}},
	}
	counts, all, _ := run(t, spec, driver)
	if counts.DroppedByUs != 20 || counts.Sent != 0 {
		t.Errorf("%+v", counts)
	}
	want := []drivers.Outcome{drivers.Rejected, drivers.Indeterminate}
	for _, e := range all {
		if !e.Partly || e.Outcome != want[e.Op.Seq%2] {
			t.Errorf("operation %d: partly %t, %s", e.Op.Seq, e.Partly, e.Outcome)
		}
	}
}

// A scenario's outcomes rule over the driver's. A driver without an outcome never acks.
func TestOutcomesByCode(t *testing.T) {
	driver := answers(func(_ context.Context, op *drivers.Op, at *drivers.Attempt) {
		at.Wire = true
		if op.Seq%2 == 0 {
			at.Fail(drivers.Rejected, "http_409", "taken")
		}
	})
	spec := scenarios.Stream{Rate: &scenarios.Rate{Constant: 10}, MaxInFlight: 50, Outcomes: map[string][]string{"acked": {"http_409"}}}
	counts, _, _ := run(t, spec, driver)
	if counts.Acked != 10 || counts.Indeterminate != 10 {
		t.Errorf("%+v", counts)
	}
}

// polled is a driver with a poller.
type polled struct{ answers }

func (polled) Poller() (drivers.Poller, error) { return idlePoller{}, nil }

type idlePoller struct{}

func (idlePoller) Send(context.Context, *drivers.Op, *drivers.Attempt, func()) {}
func (idlePoller) Await(context.Context, time.Duration)                        {}
func (idlePoller) Close() error                                                { return nil }

// In virtual time nothing waits in the kernel: neither a precise sleep nor a driver's poller.
func TestVirtualTimeWaitsByTimersAlone(t *testing.T) {
	s := newSleeper(true)
	defer s.close()
	if s.precise != nil {
		t.Error("a virtual sleeper sleeps by the kernel")
	}
	spec := scenarios.Stream{Rate: &scenarios.Rate{Constant: 2000}, MaxInFlight: 1}
	for _, virtual := range []bool{false, true} {
		s := New(Config{Spec: &spec, Driver: polled{}, Slots: metrics.NewSlots(nil), Timing: scenarios.Timing{Duration: time.Second}, Virtual: virtual})
		if loop := s.openLoop(); (loop == nil) != virtual {
			t.Errorf("virtual %t: loop %v", virtual, loop)
		}
	}
}
