package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// session handles the partitions of one generation of the group. It is a sarama.ConsumerGroupHandler.
type session struct {
	fulfilment *fulfilment
	member     *member
	prefetched chan *sarama.ConsumerMessage // commit-first
	helpers    sync.WaitGroup
}

func (s *session) Setup(group sarama.ConsumerGroupSession) error {
	switch d := s.fulfilment.defects; {
	case d[CommitFirst]:
		s.prefetched = make(chan *sarama.ConsumerMessage, prefetchQueue)
		s.helpers.Go(func() { s.shipPrefetched(group.Context()) })
	case d[Redeliver]:
		s.helpers.Go(func() { commitOften(group, rareCommitEvery) })
	default:
		s.helpers.Go(func() { commitOften(group, commitEvery) })
	}
	s.member.once.Do(func() { close(s.member.joined) })
	return nil
}

func (s *session) Cleanup(group sarama.ConsumerGroupSession) error {
	s.helpers.Wait()
	if s.fulfilment.leaving.Load() {
		group.Commit()
	}
	return nil
}

// commitOften commits the marked offsets until the session ends.
func commitOften(group sarama.ConsumerGroupSession, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			group.Commit()
		case <-group.Context().Done():
			return
		}
	}
}

// ConsumeClaim works on one partition until the session ends.
func (s *session) ConsumeClaim(group sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	ctx := group.Context()
	for {
		step := take(ctx, claim.Messages())
		if len(step) == 0 {
			return nil
		}
		if !s.work(ctx, group, step) {
			return nil
		}
	}
}

// take waits for a message and returns it with the messages queued behind it. It returns nothing when the session has
// ended.
func take(ctx context.Context, messages <-chan *sarama.ConsumerMessage) []*sarama.ConsumerMessage {
	var step []*sarama.ConsumerMessage
	select {
	case m, open := <-messages:
		if !open {
			return nil
		}
		step = append(step, m)
	case <-ctx.Done():
		return nil
	}
	for len(step) < maxStep {
		select {
		case m, open := <-messages:
			if !open {
				return step
			}
			step = append(step, m)
		default:
			return step
		}
	}
	return step
}

// work does one step. It returns false if a kill came first. A step ends when work returns.
func (s *session) work(ctx context.Context, group sarama.ConsumerGroupSession, step []*sarama.ConsumerMessage) bool {
	last := step[len(step)-1]
	if s.prefetched != nil {
		group.MarkMessage(last, "")
		group.Commit()
		return s.prefetch(ctx, step)
	}
	if !s.shipAll(ctx, step) {
		return false
	}
	group.MarkMessage(last, "")
	return true
}

// prefetch is part of commit-first: a kill loses the queued events.
func (s *session) prefetch(ctx context.Context, step []*sarama.ConsumerMessage) bool {
	for _, m := range step {
		select {
		case s.prefetched <- m:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// shipPrefetched is part of commit-first. It works in rounds, and at once when the queue is full.
func (s *session) shipPrefetched(ctx context.Context) {
	tick := time.NewTicker(workEvery)
	defer tick.Stop()
	var round []*sarama.ConsumerMessage
	for {
		due := false
		select {
		case m := <-s.prefetched:
			round = append(round, m)
		case <-tick.C:
			due = true
		case <-ctx.Done():
			return
		}
		if len(round) == 0 || !due && len(round) < prefetchQueue {
			continue
		}
		if !s.shipAll(ctx, round) {
			return
		}
		round = round[:0]
	}
}

// shipAll is a step: it ships the orders of these events that were not shipped before. It returns false if nothing was
// started. Once started, a step is not interrupted.
func (s *session) shipAll(ctx context.Context, events []*sarama.ConsumerMessage) bool {
	s.member.underway.Add(int64(len(events)))
	defer s.member.underway.Add(int64(-len(events)))
	if !s.fulfilment.pausePoint.wait(ctx.Done()) || ctx.Err() != nil {
		return false
	}
	var receipts []*receipt
	for _, event := range events {
		if r := s.fulfilment.ship(event); r != nil {
			receipts = append(receipts, r)
		}
	}
	for _, r := range receipts {
		<-r.done // the publisher gives up only when the shop closes
	}
	return true
}

// ship publishes the shipment of an event. It returns nil if there is nothing to ship.
func (f *fulfilment) ship(event *sarama.ConsumerMessage) *receipt {
	var order request
	if err := json.Unmarshal(event.Value, &order); err != nil {
		return nil // not from the order service: anyone can write to the topic
	}
	if !f.defects[Redeliver] {
		if _, fresh := f.shipped.getOrPut(order.OrderID, func() bool { return true }); !fresh {
			return nil
		}
	}
	origin := fmt.Sprintf("%d/%d", event.Partition, event.Offset)
	value, _ := json.Marshal(shipment{order.OrderID, order.CustomerID, origin}) // strings: cannot fail
	return f.shipments.publish(nil, topicShipments, order.CustomerID, value, func(err error) {
		if err == nil {
			f.ledger.add(Shipped, order.OrderID)
		}
	})
}
