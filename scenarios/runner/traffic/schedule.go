package traffic

import (
	"context"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports/metrics"
)

// waiter waits for the next arrival.
type waiter interface {
	// wait returns after d or some time before, and false when ctx has ended.
	wait(ctx context.Context, d time.Duration) bool
	close()
}

// loopWaiter serves a driver's loop while it waits.
type loopWaiter struct {
	loop drivers.Poller
	ctx  context.Context
}

func (w loopWaiter) wait(admit context.Context, d time.Duration) bool {
	w.loop.Await(w.ctx, d)
	return admit.Err() == nil
}

func (loopWaiter) close() {}

// catchUp is how late an arrival may still be sent after the sender was held up. Later arrivals are dropped.
const catchUp = time.Second

// runArrivals is the open model: it starts each operation at its planned start, whatever became of earlier ones.
func (s *Stream) runArrivals(admit context.Context, e executor, w waiter) {
	complete := func() { s.inFlight.Add(-1) }
	defer w.close()
	measured := int64(0)
	for n := uint64(0); ; n++ {
		due, ok := s.pacer.At(n)
		if !ok || due >= 0 && s.enough(measured) {
			return
		}
		if due >= 0 {
			measured++
		}
		s.frontier.Store(int64(due))
		now, ok := s.waitUntil(admit, w, due)
		if !ok {
			return
		}
		// If the client library blocked because the target does not drain its buffers, the resulting lag is charged to the
		// target, not to us.
		lag := now - max(due, min(now, time.Duration(s.unblocked.Load())))
		slot := s.slots.At(due)
		s.policy.offered()
		switch {
		case now-due > catchUp:
			s.drop(n, due, slot, lag > catchUp, lag)
		case s.inFlight.Load() >= int64(s.spec.MaxInFlight):
			// While the sender itself lags, a full max_in_flight may come from the target or from a busy machine. The drop then
			// counts as ours.
			s.drop(n, due, slot, lag > s.maxLag, lag)
		default:
			s.inFlight.Add(1)
			op := s.begin(n, due, slot, lag)
			s.number(op, n)
			e.start(op, complete)
		}
	}
}

// waitUntil waits for the planned start and returns the time after the wait. It returns false when admit ends first.
func (s *Stream) waitUntil(admit context.Context, w waiter, due time.Duration) (now time.Duration, ok bool) {
	for {
		if !w.wait(admit, due-s.env.Clock()) {
			return 0, false
		}
		if now = s.env.Clock(); now >= due {
			return now, true
		}
	}
}

// runUsers is the closed model: each user waits for its operation's end before the next. The planned start is the real one.
func (s *Stream) runUsers(admit context.Context, e executor) {
	var users sync.WaitGroup
	for user := range s.users() {
		users.Go(func() {
			run, done := e.user()
			defer done()
			for admit.Err() == nil {
				now := s.env.Clock()
				if now >= s.end || now >= 0 && s.spec.Operations > 0 && s.enough(s.taken.Add(1)-1) {
					return
				}
				s.policy.offered()
				s.inFlight.Add(1)
				run(s.begin(uint64(user), now, s.slots.At(now), metrics.NoLag))
				s.inFlight.Add(-1)
				if s.spec.Think > 0 && !sleep(admit, s.spec.Think) {
					return
				}
			}
		})
	}
	users.Wait()
}

// enough says whether that many operations of the measured part are all that the stream sends.
func (s *Stream) enough(n int64) bool { return s.spec.Operations > 0 && n >= s.spec.Operations }

// users is the number of users of the closed model.
func (s *Stream) users() int {
	if s.spec.Rate != nil && s.spec.Rate.Max {
		return s.spec.MaxInFlight
	}
	return s.spec.Users
}
