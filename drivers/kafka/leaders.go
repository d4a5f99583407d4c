package kafka

import (
	"time"

	"github.com/IBM/sarama"
)

// failSender takes the queues from a sender whose connection failed. Records that were claimed for a batch can be cancelled
// again. b.mu is held.
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

// listLed lists the queues whose leader is known. b.mu is held.
func (b *batcher) listLed() {
	b.led = nil
	for _, q := range b.queues {
		if q.sender != nil {
			b.led = append(b.led, q)
		}
	}
}

// findLeaders looks for leaders whenever a queue has none, until the driver is closed.
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

// refreshLeaders finds the leaders. The first call uses what the client already knows; later calls wait, and then ask the
// brokers.
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

// assignLeaders gives each queue without a leader the leader that the client knows.
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

// updateQueues makes queues for new partitions. It returns the records of partitions that no longer exist. b.mu is held.
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

// senderOf returns the sender of a broker. It returns nil while a failed connection is being closed; the caller asks again
// later. b.mu is held.
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

// failLeaderless fails the records that wait for a leader, because the brokers refuse to name it.
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
