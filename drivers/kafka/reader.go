package kafka

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxResponse bounds one response of a leader. A batch may be larger than fetchMax.
const maxResponse = 1 << 30

// newReader makes the client that fetches. It dials nothing yet.
func (s *Source) newReader() (*kgo.Client, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(s.brokers...), kgo.ClientID("wringer"), kgo.DisableClientMetrics(),
		kgo.Dialer(func(_ context.Context, network, address string) (net.Conn, error) {
			return s.network.Dial(network, address)
		}),
		kgo.RequestRetries(1), kgo.RetryBackoffFn(func(int) time.Duration { return backoff }),
		kgo.RequestTimeoutOverhead(patience(s.env.Timeout) + answerGrace),
		kgo.BrokerMaxReadBytes(maxResponse),
	}
	if mechanism := s.access.mechanism(); mechanism != nil {
		options = append(options, kgo.SASL(mechanism))
	}
	return kgo.NewClient(options...)
}

// leader is a broker, and the partitions that it leads.
type leader struct {
	id        int32
	positions []*position
	epochs    []int32 // of the broker as leader, by position
}

func (l *leader) epochOf(p *position) int32 { return l.epochs[slices.Index(l.positions, p)] }

// leaders groups the partitions by leader. orphans says that some partitions have no leader.
func (s *Source) leaders(ctx context.Context) (all []*leader, orphans bool, err error) {
	topic, err := s.describe(ctx)
	if errors.Is(err, kerr.UnknownTopicOrPartition) && s.id == [16]byte{} {
		return nil, false, fmt.Errorf("%w: the topic was deleted, and brokers that give topics no ids cannot tell it from one made anew", errIncomplete)
	}
	if err != nil {
		return nil, false, err
	}
	if err := s.sameTopic(topic); err != nil {
		return nil, false, err
	}
	by := make(map[int32]*leader)
	for _, p := range s.positions {
		at := slices.IndexFunc(topic.Partitions, func(t kmsg.MetadataResponseTopicPartition) bool { return t.Partition == p.partition })
		if at < 0 || topic.Partitions[at].Leader < 0 {
			orphans = true
			continue
		}
		found := topic.Partitions[at]
		l := by[found.Leader]
		if l == nil {
			l = &leader{id: found.Leader}
			by[l.id] = l
			all = append(all, l)
		}
		l.positions, l.epochs = append(l.positions, p), append(l.epochs, found.LeaderEpoch)
	}
	return all, orphans, nil
}

// describe asks a broker for the topic's id, partitions and leaders. It never has the topic created.
func (s *Source) describe(ctx context.Context) (*kmsg.MetadataResponseTopic, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	request.Topics = append(request.Topics, kmsg.MetadataRequestTopic{Topic: &s.topic})
	answer, err := s.reader.Request(ctx, request)
	if err != nil {
		return nil, err
	}
	for _, t := range answer.(*kmsg.MetadataResponse).Topics {
		if t.Topic != nil && *t.Topic == s.topic {
			if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
				return nil, err
			}
			return &t, nil
		}
	}
	return nil, sarama.ErrIncompleteResponse
}

// sameTopic returns errCut if the topic was deleted and made anew.
func (s *Source) sameTopic(topic *kmsg.MetadataResponseTopic) error {
	if topic.TopicID == s.id {
		return nil
	}
	if _, gone := s.gone[topic.TopicID]; gone {
		return errors.New("a broker that does not know the latest topic answered")
	}
	if len(topic.Partitions) != len(s.positions) {
		return fmt.Errorf("%w: the topic was deleted and made anew, with %d partitions in place of %d", errIncomplete, len(topic.Partitions), len(s.positions))
	}
	if s.gone == nil {
		s.gone = make(map[[16]byte]struct{})
	}
	s.gone[s.id] = struct{}{}
	s.id = topic.TopicID
	for _, p := range s.positions {
		p.start, p.epochs = 0, nil
	}
	return fmt.Errorf("%w: the topic was deleted and made anew", errCut)
}

// lastWithoutIDs is the last version of Fetch that names topics by their names.
const lastWithoutIDs = 12

// namedFetch is a Fetch of a topic that has no id.
type namedFetch struct{ *kmsg.FetchRequest }

// MaxVersion implements kmsg.Request.
func (namedFetch) MaxVersion() int16 { return lastWithoutIDs }

// fetch asks a leader for the next records. It returns a block for each position of the leader, nil where none came.
func (s *Source) fetch(ctx context.Context, l *leader, wanted int64) ([]*sarama.FetchResponseBlock, error) {
	var request kmsg.Request = s.request(l, wanted)
	if s.id == [16]byte{} {
		request = namedFetch{request.(*kmsg.FetchRequest)}
	}
	reply, err := s.reader.Broker(int(l.id)).Request(ctx, request)
	if err != nil {
		return nil, err
	}
	answer := reply.(*kmsg.FetchResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return nil, err
	}
	blocks := make([]*sarama.FetchResponseBlock, len(l.positions))
	for i := range answer.Topics {
		for k := range answer.Topics[i].Partitions {
			part := &answer.Topics[i].Partitions[k]
			at := slices.IndexFunc(l.positions, func(p *position) bool { return p.partition == part.Partition })
			if at < 0 {
				continue
			}
			if blocks[at], err = blockOf(part); err != nil {
				return nil, fmt.Errorf("partition %d: %w", part.Partition, err)
			}
		}
	}
	return blocks, nil
}

func (s *Source) request(l *leader, wanted int64) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes, r.SessionEpoch = int32(fetchWait/time.Millisecond), 1, fetchMax, -1
	if s.committed {
		r.IsolationLevel = 1
	}
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = s.topic, s.id
	for i, p := range l.positions {
		if p.confirmed < wanted {
			r.MaxWaitMillis = int32(hurriedWait / time.Millisecond)
		}
		one := kmsg.NewFetchRequestTopicPartition()
		one.Partition, one.FetchOffset, one.PartitionMaxBytes = p.partition, p.next, p.size
		one.CurrentLeaderEpoch, one.LastFetchedEpoch = l.epochs[i], p.lastEpoch()
		topic.Partitions = append(topic.Partitions, one)
	}
	r.Topics = append(r.Topics, topic)
	return r
}

// blockOf reads the part of a fetch response for one partition.
func blockOf(p *kmsg.FetchResponseTopicPartition) (*sarama.FetchResponseBlock, error) {
	block := &sarama.FetchResponseBlock{Err: sarama.KError(p.ErrorCode), HighWaterMarkOffset: p.HighWatermark, LastStableOffset: p.LastStableOffset}
	if d := p.DivergingEpoch; d.Epoch >= 0 || d.EndOffset >= 0 {
		block.DivergingEpoch = &sarama.FetchResponseDivergingEpoch{Epoch: d.Epoch, EndOffset: d.EndOffset}
	}
	for _, a := range p.AbortedTransactions {
		block.AbortedTransactions = append(block.AbortedTransactions, &sarama.AbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
	}
	for b := p.RecordBatches; len(b) > 0; {
		size := int64(17)
		if len(b) >= 17 {
			size = int64(binary.BigEndian.Uint32(b[8:])) + 12
		}
		if size > int64(len(b)) {
			block.Partial = true // the batch that did not fit
			break
		}
		set := &sarama.Records{}
		if b[16] == 2 { // older formats have no batches
			batch, err := readBatch(b[:size])
			if err != nil {
				return nil, err
			}
			set.RecordBatch = batch
		}
		block.RecordsSet = append(block.RecordsSet, set)
		b = b[size:]
	}
	return block, nil
}

// errBatch marks a batch that breaks the format.
var errBatch = errors.New("a batch of records is broken")

// decompressor is safe for concurrent use, and keeps its memory.
var decompressor = kgo.DefaultDecompressor()

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The bits of a batch's attributes.
const (
	codecBits        = 7
	transactionalBit = 1 << 4
	controlBit       = 1 << 5
)

// readBatch reads a whole batch. The records refer to b.
func readBatch(b []byte) (*sarama.RecordBatch, error) {
	var raw kmsg.RecordBatch
	if err := raw.ReadFrom(b); err != nil {
		return nil, fmt.Errorf("%w: %w", errBatch, err)
	}
	if crc32.Checksum(b[21:], castagnoli) != uint32(raw.CRC) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errBatch)
	}
	batch := &sarama.RecordBatch{FirstOffset: raw.FirstOffset, PartitionLeaderEpoch: raw.PartitionLeaderEpoch, Version: 2, LastOffsetDelta: raw.LastOffsetDelta,
		ProducerID: raw.ProducerID, ProducerEpoch: raw.ProducerEpoch, FirstSequence: raw.FirstSequence,
		IsTransactional: raw.Attributes&transactionalBit != 0, Control: raw.Attributes&controlBit != 0}
	records := raw.Records
	if codec := kgo.CompressionCodecType(raw.Attributes & codecBits); codec != kgo.CodecNone {
		var err error
		if records, err = decompressor.Decompress(records, codec); err != nil {
			return nil, fmt.Errorf("%w: %w", errBatch, err)
		}
	}
	var err error
	batch.Records, err = readRecords(records, int(raw.NumRecords))
	return batch, err
}

// readRecords reads n records in a row. All share a few allocations.
func readRecords(b []byte, n int) ([]*sarama.Record, error) {
	const least = 7 // bytes of a record
	if n < 0 || n > len(b)/least {
		return nil, fmt.Errorf("%w: it cannot hold %d records", errBatch, n)
	}
	records, all := make([]sarama.Record, n), make([]*sarama.Record, n)
	headers := make([]sarama.RecordHeader, 0, n)
	pointers := make([]*sarama.RecordHeader, 0, n)
	for i := range records {
		size, k := binary.Varint(b)
		if k <= 0 || size < 1 || size > int64(len(b)-k) {
			return nil, errBatch
		}
		one := b[k+1 : k+int(size)] // behind the attributes
		b = b[k+int(size):]
		r := &records[i]
		all[i] = r
		var err error
		if r.OffsetDelta, one, err = cutDeltas(one); err != nil {
			return nil, err
		}
		if r.Key, one, err = cutBytes(one); err != nil {
			return nil, fmt.Errorf("%w: %w", errBatch, err)
		}
		if r.Value, one, err = cutBytes(one); err != nil {
			return nil, fmt.Errorf("%w: %w", errBatch, err)
		}
		count, k := binary.Varint(one)
		if k <= 0 {
			return nil, errBatch
		}
		one = one[k:]
		from := len(pointers)
		for ; count > 0; count-- {
			var h sarama.RecordHeader
			if h.Key, one, err = cutBytes(one); err == nil {
				h.Value, one, err = cutBytes(one)
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errBatch, err)
			}
			headers = append(headers, h)
			pointers = append(pointers, &headers[len(headers)-1])
		}
		r.Headers = pointers[from:len(pointers):len(pointers)]
	}
	return all, nil
}

// cutDeltas cuts the deltas of the timestamp and of the offset off, and returns the latter.
func cutDeltas(b []byte) (offset int64, rest []byte, err error) {
	_, n := binary.Varint(b)
	if n <= 0 {
		return 0, nil, errBatch
	}
	offset, m := binary.Varint(b[n:])
	if m <= 0 {
		return 0, nil, errBatch
	}
	return offset, b[n+m:], nil
}
