package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Brokers before 2.8 give topics no ids. A topic may be made anew between two fetches, and hold as much as was read of the one
// before. It answers the next fetch as if nothing had happened. So a batch that was read is read again, every second, whenever a
// leader is followed anew, and at each CatchUp: another batch in its place is the log of another topic. What was read since the
// last look may be of either topic, so the batch must be older. (A log that was cut back shows by its epochs.)

// errAnew says that a topic without an id was made anew. It comes with errCut.
var errAnew = errors.New("the topic was deleted and made anew")

// lookEvery is the longest time between two looks at a topic without an id.
const lookEvery = time.Second

// landmark is a batch that was read of a partition.
type landmark struct {
	first  int64
	digest uint32
}

// unnamed says whether the topic has no id.
func (s *Source) unnamed() bool { return s.id == [16]byte{} }

// noteLast notes the last batch of a block before offset next.
func (p *position) noteLast(next int64, block *sarama.FetchResponseBlock) {
	for i := len(block.RecordsSet) - 1; i >= 0; i-- {
		if b := block.RecordsSet[i].RecordBatch; b != nil && !b.Control && b.LastOffset() < next {
			p.last = &landmark{b.FirstOffset, digest(b)}
			if p.mark == nil {
				p.mark = p.last
			}
			return
		}
	}
}

// digest sums up what producers wrote into a batch.
func digest(b *sarama.RecordBatch) (sum uint32) {
	for _, r := range b.Records {
		sum = crc32.Update(sum, castagnoli, r.Key)
		sum = crc32.Update(sum, castagnoli, r.Value)
		for _, h := range r.Headers {
			sum = crc32.Update(sum, castagnoli, h.Value)
		}
	}
	return sum
}

// sameLogs returns errCut and errAnew if a leader's log of a partition is not the one that was read.
func (s *Source) sameLogs(ctx context.Context, l *leader) error {
	for _, p := range l.positions {
		if p.mark == nil {
			continue
		}
		found, err := s.batchAt(ctx, l, p.partition, p.mark.first)
		if err != nil {
			return err
		}
		if found != nil && (found.FirstOffset != p.mark.first || digest(found) != p.mark.digest) {
			return fmt.Errorf("%w: %w: partition %d holds other records at offset %d", errCut, errAnew, p.partition, p.mark.first)
		}
		p.mark = p.last
	}
	return nil
}

// batchAt reads the batch with an offset; nil: the log no longer holds it, or not yet.
func (s *Source) batchAt(ctx context.Context, l *leader, partition int32, offset int64) (*sarama.RecordBatch, error) {
	r := kmsg.NewPtrFetchRequest()
	r.MaxBytes, r.SessionEpoch = fetchSize, -1
	one := kmsg.NewFetchRequestTopicPartition()
	one.Partition, one.FetchOffset, one.PartitionMaxBytes = partition, offset, 1 // a whole batch comes all the same
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.Partitions = s.topic, append(topic.Partitions, one)
	r.Topics = append(r.Topics, topic)
	reply, err := s.reader.Broker(int(l.id)).Request(ctx, namedFetch{r})
	if err != nil {
		return nil, err
	}
	answer := reply.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, sarama.ErrIncompleteResponse
	}
	block, err := blockOf(&answer.Topics[0].Partitions[0])
	switch {
	case err != nil:
		return nil, err
	case block.Err == sarama.ErrOffsetOutOfRange:
		return nil, nil
	case block.Err != sarama.ErrNoError:
		return nil, block.Err
	case len(block.RecordsSet) == 0:
		return nil, nil
	}
	return block.RecordsSet[0].RecordBatch, nil
}
