package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// epochStart says that the records from an offset on were written under a leader's epoch.
type epochStart struct {
	epoch int32
	from  int64
}

// lastEpoch is the epoch of the record before next; -1: not known.
func (p *position) lastEpoch() int32 {
	if len(p.epochs) == 0 {
		return -1
	}
	return p.epochs[len(p.epochs)-1].epoch
}

// noteEpochs notes the epochs of the batches of a block before offset next.
func (p *position) noteEpochs(next int64, block *sarama.FetchResponseBlock) {
	for _, set := range block.RecordsSet {
		b := set.RecordBatch
		if b == nil || b.LastOffset() >= next {
			return
		}
		if b.LastOffset() < p.next {
			continue
		}
		if !b.Control {
			p.delivered = b.LastOffset() + 1
		}
		if b.PartitionLeaderEpoch > p.lastEpoch() {
			p.epochs = append(p.epochs, epochStart{b.PartitionLeaderEpoch, b.FirstOffset})
		}
	}
}

// diverged goes back to where the leader's log and the log that was read part. The leader holds records up to an epoch, which
// end at an offset. It returns errCut if records that were delivered are gone.
func (s *Source) diverged(p *position, epoch int32, end int64) error {
	if epoch < 0 || end < 0 {
		return fmt.Errorf("%w: the leader no longer knows the epoch %d of the records that were read", errIncomplete, p.lastEpoch())
	}
	at := end
	for len(p.epochs) > 0 && p.lastEpoch() > epoch {
		at = min(at, p.epochs[len(p.epochs)-1].from)
		p.epochs = p.epochs[:len(p.epochs)-1]
	}
	if len(p.epochs) == 0 {
		p.epochs = append(p.epochs, epochStart{epoch, at})
	}
	return s.cutAt(p, at)
}

// cutAt goes back to an offset at which the log was cut. It returns errCut if records that were delivered are gone.
func (s *Source) cutAt(p *position, at int64) error {
	p.start = min(p.start, at)
	if s.unnamed() {
		p.start = 0 // it may be the log of a topic made anew
	}
	if at < p.delivered {
		return fmt.Errorf("%w: partition %d was cut at offset %d, and was read to %d, as by an unclean election", errCut, p.partition, at, p.next)
	}
	if at < p.next {
		s.advance(p, at, -1)
	}
	return nil
}

// compareEpochs asks a new leader where the epoch of the last record that was read ends in its log. Fetches in versions
// before 12 do not ask that. What they carry is the leader's epoch: a leader of another epoch refuses them.
func (s *Source) compareEpochs(ctx context.Context, l *leader) error {
	request := kmsg.NewPtrOffsetForLeaderEpochRequest()
	topic := kmsg.NewOffsetForLeaderEpochRequestTopic()
	topic.Topic = s.topic
	for i, p := range l.positions {
		if p.lastEpoch() < 0 {
			continue
		}
		one := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
		one.Partition, one.CurrentLeaderEpoch, one.LeaderEpoch = p.partition, l.epochs[i], p.lastEpoch()
		topic.Partitions = append(topic.Partitions, one)
	}
	if len(topic.Partitions) == 0 {
		return nil
	}
	request.Topics = append(request.Topics, topic)
	answer, err := s.reader.Broker(int(l.id)).Request(ctx, request)
	if err != nil {
		return err
	}
	for _, t := range answer.(*kmsg.OffsetForLeaderEpochResponse).Topics {
		for _, one := range t.Partitions {
			at := slices.IndexFunc(l.positions, func(p *position) bool { return p.partition == one.Partition })
			if at < 0 {
				continue
			}
			if err := s.comparedEpoch(l.positions[at], &one); err != nil {
				return fmt.Errorf("partition %d at offset %d: %w", one.Partition, l.positions[at].next, err)
			}
		}
	}
	return nil
}

func (s *Source) comparedEpoch(p *position, one *kmsg.OffsetForLeaderEpochResponseTopicPartition) error {
	switch err := kerr.ErrorForCode(one.ErrorCode); {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return nil // the fetch says what is not allowed
	case err != nil:
		return err
	case one.LeaderEpoch < 0 || one.EndOffset < 0: // a leader whose log is empty knows no epoch; the fetch goes on to ask
		return nil
	case one.LeaderEpoch < p.lastEpoch() || one.EndOffset < p.next:
		return s.diverged(p, one.LeaderEpoch, one.EndOffset)
	}
	return nil
}

// outOfRange finds out why a leader has no record at the next offset: its log begins behind it, or ends before it.
func (s *Source) outOfRange(ctx context.Context, l *leader, p *position) error {
	first, err := s.logEdge(ctx, l, p, kafkaEarliest)
	if err != nil {
		return err
	}
	if first > p.next {
		return fmt.Errorf("%w: the log begins at offset %d", errRemoved, first)
	}
	last, err := s.logEdge(ctx, l, p, kafkaLatest)
	if err != nil {
		return err
	}
	if last >= p.next {
		return sarama.ErrOffsetOutOfRange // the log has grown meanwhile; the next fetch compares epochs
	}
	p.epochs = slices.DeleteFunc(p.epochs, func(e epochStart) bool { return e.from >= last })
	return s.cutAt(p, last)
}

// The timestamps by which ListOffsets asks for the edges of a log.
const (
	kafkaEarliest = -2
	kafkaLatest   = -1
)

// logEdge asks a leader for an edge of a partition's log.
func (s *Source) logEdge(ctx context.Context, l *leader, p *position, which int64) (int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = s.topic
	one := kmsg.NewListOffsetsRequestTopicPartition()
	one.Partition, one.Timestamp, one.CurrentLeaderEpoch = p.partition, which, l.epochOf(p)
	topic.Partitions = append(topic.Partitions, one)
	request.Topics = append(request.Topics, topic)
	answer, err := s.reader.Broker(int(l.id)).Request(ctx, request)
	if err != nil {
		return 0, err
	}
	for _, t := range answer.(*kmsg.ListOffsetsResponse).Topics {
		for _, found := range t.Partitions {
			if found.Partition == p.partition {
				return found.Offset, kerr.ErrorForCode(found.ErrorCode)
			}
		}
	}
	return 0, sarama.ErrIncompleteResponse
}
