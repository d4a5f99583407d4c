package kafka

import (
	"time"

	"github.com/IBM/sarama"
)

// fail takes a desk's lanes from it. What was in their batches can be withdrawn again. p.mu is held.
func (b *batcher) failSender(s *brokerSender) {
	if s.failed {
		return
	}
	s.failed, s.ready = true, nil
	close(s.closed)
	for _, q := range b.queues {
		if q.sender == s {
			q.sender, q.listed = nil, false
			for _, r := range q.records {
				r.stage.CompareAndSwap(batched, waiting)
			}
		}
	}
	b.listLed()
}

// tally lists the lanes whose leader is known. p.mu is held.
func (b *batcher) listLed() {
	b.led = nil
	for _, q := range b.queues {
		if q.sender != nil {
			b.led = append(b.led, q)
		}
	}
}

// inquire asks who leads, whenever a lane has no leader, until the driver is closed.
func (b *batcher) findLeaders() {
	for first := true; ; first = false {
		select {
		case <-b.leaderless:
		case <-b.driver.shutting:
			return
		}
		if err := b.refreshLeaders(first); err != nil {
			b.failLeaderless(err)
		}
	}
}

// ask finds the leaders: the first time those that the client knows already, later after a pause those that the brokers name.
func (b *batcher) refreshLeaders(first bool) error {
	if !first {
		timer := time.NewTimer(b.backoff)
		select {
		case <-timer.C:
		case <-b.driver.shutting:
			timer.Stop()
			return nil
		}
		if err := b.client.RefreshMetadata(b.topic); err != nil {
			return err
		}
	}
	return b.assignLeaders()
}

// learn gives the lanes that have no leader the one that the client knows of.
func (b *batcher) assignLeaders() error {
	partitions, err := b.client.Partitions(b.topic)
	if err != nil {
		return err
	}
	leaders := make([]*sarama.Broker, len(partitions))
	for i, partition := range partitions {
		if leaders[i], err = b.client.Leader(b.topic, partition); err != nil {
			return err
		}
	}
	b.mu.Lock()
	orphans := b.updateQueues(partitions)
	var wake []*brokerSender
	for i, q := range b.queues {
		if q.sender == nil {
			q.sender = b.senderOf(leaders[i])
			wake = append(wake, q.offer())
		}
	}
	b.listLed()
	b.mu.Unlock()
	for _, s := range wake {
		s.signal()
	}
	b.failAll(orphans, errNoPartition)
	return nil
}

// arrange makes lanes for partitions that are new, and returns what waits for those that are no more. p.mu is held.
func (b *batcher) updateQueues(partitions []int32) (orphans []*pendingRecord) {
	known := make(map[int32]*partitionQueue)
	for _, q := range b.queues {
		known[q.partition] = q
	}
	b.queues = nil
	for _, partition := range partitions {
		q := known[partition]
		if q == nil {
			q = &partitionQueue{partition: partition}
		}
		delete(known, partition)
		b.queues = append(b.queues, q)
	}
	for _, q := range known {
		orphans = append(orphans, q.records...)
		q.records, q.bytes, q.sender = nil, 0, nil
	}
	return orphans
}

// deskOf is the desk of a broker; nil while its connection, which has failed, is being closed: it will be asked for again.
// p.mu is held.
func (b *batcher) senderOf(broker *sarama.Broker) *brokerSender {
	s := b.senders[broker]
	if s == nil {
		s = &brokerSender{broker: broker, wake: make(chan struct{}, 1), closed: make(chan struct{})}
		b.senders[broker] = s
		b.driver.drained.Go(func() { b.serve(s) })
	}
	if s.failed {
		return nil
	}
	return s
}

// giveUp gives back what waits for a leader, because the brokers refuse to tell it.
func (b *batcher) failLeaderless(err error) {
	b.mu.Lock()
	var all []*pendingRecord
	for _, q := range b.queues {
		if q.sender == nil {
			all = append(all, q.records...)
			q.records, q.bytes = nil, 0
		}
	}
	b.mu.Unlock()
	b.failAll(all, err)
	signal(b.leaderless)
}

func (b *batcher) failAll(all []*pendingRecord, err error) {
	for _, r := range all {
		b.driver.returned(&r.message, err)
	}
}
