package amqp

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// tally compares what the broker handed out of a queue with what the source got. Consumers that come and go between two looks, and
// those that fetch by basic.get, are in no count of consumers; what they took is in the broker's counts.
type tally struct {
	before int64        // handed out before the source began
	got    atomic.Int64 // by the source, each message once
}

const (
	// statisticsAge is how old the broker's counts are by default. What was handed out is in them after that time.
	statisticsAge = 5 * time.Second
	// tallyLimit bounds the wait for counts that hold what the source itself got. Where a broker was restarted they never do.
	tallyLimit = 10 * time.Second
)

// handedOut returns how many messages of the queue were handed out, each once. known is false where the broker has no counts.
func (m *management) handedOut(ctx context.Context) (n int64, known bool, err error) {
	var told struct {
		Stats *struct {
			All   int64 `json:"deliver_get"`
			Again int64 `json:"redeliver"`
		} `json:"message_stats"`
	}
	if err := m.get(ctx, m.queuePath(), &told); err != nil || told.Stats == nil {
		return 0, false, err
	}
	return told.Stats.All - told.Stats.Again, true, nil
}

// counted says whether the source keeps a tally: of a queue whose counts the management API tells.
func (s *Source) counted() bool {
	return s.management != nil && s.management.queue == s.queue && s.queue != "" && !s.kind.stream()
}

// beginTally asks what was handed out before. A queue that this run has just made has handed out nothing.
func (s *Source) beginTally(ctx context.Context) error {
	if !s.counted() || s.kind.own() {
		return nil
	}
	var err error
	s.tally.before, _, err = s.management.handedOut(ctx)
	return err
}

// checkOthers ends the observation if the broker handed out more than the source got: others took it.
func (s *Source) checkOthers(ctx context.Context) error {
	if !s.counted() {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, tallyLimit+statisticsAge)
	defer cancel()
	end := time.Now().Add(tallyLimit)
	for settled := false; ; {
		n, known, err := s.management.handedOut(limited)
		got := s.tally.got.Load()
		switch others := n - s.tally.before - got; {
		case err != nil && limited.Err() == nil:
			return fmt.Errorf("ask what was handed out of queue %s: %w", s.queue, err)
		case known && others > 0:
			s.fail(fmt.Errorf("others took %d messages from the queue %s: the broker handed out %d, and %d came here", others, s.queue, others+got, got))
			return s.failure()
		case known && others == 0 && !settled:
			settled, end = true, time.Now().Add(statisticsAge)
		}
		if time.Now().After(end) || !drivers.Pause(limited, backoff) {
			return nil // settled, or the counts began anew: they tell nothing of others
		}
	}
}

// CatchUpLimit implements drivers.Patient.
func (s *Source) CatchUpLimit() time.Duration {
	if s.counted() {
		return openLimit + tallyLimit + statisticsAge
	}
	return openLimit
}
