package kafka

import (
	"errors"
	"slices"

	"github.com/IBM/sarama"
)

// answered ends the batches of one request: by response, or by err if no response came. Records that the broker acked have
// ended already: the tap saw the ack on the wire.
func (b *batcher) answered(s *brokerSender, all []batch, response *sarama.ProduceResponse, err error) {
	fates := make([]fate, len(all))
	for i, batch := range all {
		why, offset := err, int64(-1)
		if err == nil {
			offset, why = answerOf(response.GetBlock(b.topic, batch.queue.partition))
		}
		if fates[i] = fateOf(batch, why); fates[i] == again || fates[i] == halved {
			continue
		}
		for k, r := range batch.records {
			if why == nil && r.acked { // the tap saw this ack before sarama did
				continue
			}
			if r.message.Partition = batch.queue.partition; offset >= 0 {
				r.message.Offset = offset + int64(k)
			}
			b.driver.returned(&r.message, why)
		}
	}
	b.mu.Lock()
	if broken(err) {
		b.failSender(s)
	}
	for i, batch := range all {
		b.finishBatch(batch, fates[i])
	}
	idle := s
	if len(s.ready) == 0 {
		idle = nil
	}
	b.mu.Unlock()
	idle.signal()
}

// fate is what became of a batch.
type fate uint8

func fateOf(done batch, why error) fate {
	switch {
	case why == nil:
		return accepted
	case errors.Is(why, errIdleClosed):
		return again
	case tooLarge(why) && len(done.records) > 1:
		return halved
	case tooLarge(why):
		return refused
	}
	return failed
}

// tooLarge says whether a broker refused a batch for its size: it is above the topic's max.message.bytes.
func tooLarge(why error) bool {
	return errors.Is(why, sarama.ErrMessageSizeTooLarge) || errors.Is(why, sarama.ErrMessageSetSizeTooLarge)
}

// putBack puts the records of a batch before those that wait: order is kept. batcher.mu is held.
func (q *partitionQueue) putBack(done batch) {
	q.records = append(slices.Clone(done.records), q.records...)
	for _, r := range done.records {
		q.bytes += r.size
	}
}

// split puts a batch back that was too large, to be sent in two halves. What is too large by itself is alone at last, and is
// refused. Later batches are smaller from the start. batcher.mu is held.
func (q *partitionQueue) split(done batch) {
	q.putBack(done)
	n := len(done.records)
	q.parts = append([]int{n - n/2, n / 2}, q.parts...)
	q.limit = max(done.size/2, q.fit)
}

// answerOf reads a partition's part of a response: the offset of the first record, negative if there is none, and the
// broker's error.
func answerOf(block *sarama.ProduceResponseBlock) (offset int64, err error) {
	switch {
	case block == nil:
		return -1, sarama.ErrIncompleteResponse
	case block.Err == sarama.ErrDuplicateSequenceNumber:
		return -1, nil
	case block.Err != sarama.ErrNoError:
		return -1, block.Err
	}
	return block.Offset, nil
}

// broken says whether the connection failed. A request that could not be encoded leaves the connection intact.
func broken(err error) bool {
	return err != nil && !errors.As(err, new(sarama.PacketEncodingError))
}

// finishBatch ends the batch in flight of a queue. After a failure the queue waits until its leader is known again. b.mu is
// held.
func (b *batcher) finishBatch(done batch, became fate) {
	q := done.queue
	switch became {
	case accepted:
		q.fit = max(q.fit, done.size)
	case again:
		q.putBack(done)
		for _, r := range done.records {
			r.stage.CompareAndSwap(batched, waiting)
		}
	case halved:
		q.split(done)
	}
	clear(done.records)
	q.spare, q.busy = done.records[:0], false
	if (became == failed || became == again) && q.sender != nil {
		q.sender = nil
		b.listLed()
	}
	if q.sender == nil {
		signal(b.leaderless)
		return
	}
	q.offer()
}
