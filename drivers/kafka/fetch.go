package kafka

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/jsonpath"
)

const (
	fetchSize    = 1 << 20  // bytes per partition
	fetchMax     = 32 << 20 // bytes per response
	fetchWait    = 200 * time.Millisecond
	fetchVersion = 11
	// leaderlessWait is the time after which a partition without a leader is looked up again.
	leaderlessWait = 500 * time.Millisecond
)

var (
	// errIncomplete marks an error that no retry can repair: records were missed.
	errIncomplete = errors.New("integrity is unknown")
	// errRemoved says why: the log no longer holds the records to be read.
	errRemoved = fmt.Errorf("%w: records were removed before they were read", errIncomplete)
)

// Receive implements drivers.Source.
func (s *Source) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	// Closing the connections ends a request in flight. Nothing is asked of the source afterwards.
	stop := context.AfterFunc(ctx, s.network.close)
	defer stop()
	for ctx.Err() == nil {
		err := s.followLeaders(ctx, deliver)
		if errors.Is(err, errIncomplete) {
			err = fmt.Errorf("read %s: %w", s.name, err)
			if errors.Is(err, errRemoved) {
				err = fmt.Errorf("%w; %s", err, s.policy())
			}
			s.fail(err)
			return err
		}
		if err != nil {
			s.mu.Lock()
			s.lastError = err
			s.mu.Unlock()
		}
		if !pause(ctx, backoff) {
			break
		}
		_ = s.client.RefreshMetadata(s.topic) // an error that matters shows in the next round
	}
	return nil
}

// policy says what removes records from the topic, as far as the brokers tell.
func (s *Source) policy() string {
	const key = "cleanup.policy"
	admin, err := sarama.NewClusterAdminFromClient(s.client) // not closed: closing it would close the client
	if err != nil {
		return "the reason is unknown: " + err.Error()
	}
	asked := &sarama.ConfigResource{Type: sarama.TopicResource, Name: s.topic, ConfigNames: []string{key}}
	topics, err := admin.DescribeConfigs([]*sarama.ConfigResource{asked}, sarama.DescribeConfigsOptions{})
	if err != nil {
		return "the reason is unknown: " + err.Error()
	}
	policy := ""
	for _, topic := range topics {
		for _, entry := range topic.Configs {
			if entry.Name == key {
				policy = " (" + key + " " + entry.Value + ")"
			}
		}
	}
	if strings.Contains(policy, "compact") {
		return "the topic is compacted" + policy + ": use a topic without compaction"
	}
	return "retention overtook the reader" + policy + ", or the topic was recreated"
}

// fail wakes up a waiting CatchUp with an error: no more records will come.
func (s *Source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
	close(s.moved)
	s.moved = make(chan struct{})
}

// followLeaders follows each leader in a goroutine of its own. It returns as soon as leaders or connections must be looked
// up again.
func (s *Source) followLeaders(ctx context.Context, deliver func(*drivers.Delivery)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	leaders, orphans := s.leaders()
	if orphans {
		timer := time.AfterFunc(leaderlessWait, cancel)
		defer timer.Stop()
	}
	var followers sync.WaitGroup
	failures := make([]error, len(leaders))
	for i, l := range leaders {
		followers.Go(func() {
			defer cancel()
			failures[i] = s.follow(ctx, l, deliver)
		})
	}
	followers.Wait()
	return errors.Join(failures...)
}

// leader is a broker, and the partitions that it leads.
type leader struct {
	address   string
	positions []*position
	epochs    []int32
}

// leaders groups the partitions by leader. orphans says that some partitions have no leader.
func (s *Source) leaders() (all []*leader, orphans bool) {
	by := make(map[string]*leader)
	for _, p := range s.positions {
		broker, epoch, err := s.client.LeaderAndEpoch(s.topic, p.partition)
		if err != nil {
			orphans = true
			continue
		}
		l := by[broker.Addr()]
		if l == nil {
			l = &leader{address: broker.Addr()}
			by[l.address] = l
			all = append(all, l)
		}
		l.positions, l.epochs = append(l.positions, p), append(l.epochs, epoch)
	}
	return all, orphans
}

// follow fetches from one leader until ctx ends or a request fails. It has a connection of its own: a fetch locks its
// sarama.Broker while it waits for records, and would block the client.
func (s *Source) follow(ctx context.Context, l *leader, deliver func(*drivers.Delivery)) error {
	broker := sarama.NewBroker(l.address)
	if err := broker.Open(s.client.Config()); err != nil {
		return err
	}
	defer broker.Close()
	decoder := &decoder{env: &s.env, fields: s.fields, committed: s.committed, translator: s.translator}
	for ctx.Err() == nil {
		response, err := broker.Fetch(s.request(l))
		if err != nil {
			return err
		}
		for _, p := range l.positions {
			block := response.GetBlock(s.topic, p.partition)
			if block == nil {
				return sarama.ErrIncompleteResponse
			}
			if err := s.deliverBlock(p, block, decoder, deliver); err != nil {
				return fmt.Errorf("partition %d at offset %d: %w", p.partition, p.next, err)
			}
		}
	}
	return nil
}

func (s *Source) request(l *leader) *sarama.FetchRequest {
	r := &sarama.FetchRequest{Version: fetchVersion, MaxWaitTime: int32(fetchWait / time.Millisecond), MinBytes: 1, MaxBytes: fetchMax, SessionEpoch: -1}
	if s.committed {
		r.Isolation = sarama.ReadCommitted
	}
	for i, p := range l.positions {
		r.AddBlock(s.topic, p.partition, p.next, p.size, l.epochs[i])
	}
	return r
}

// deliverBlock delivers the fetched records of one partition, and moves its position.
func (s *Source) deliverBlock(p *position, block *sarama.FetchResponseBlock, d *decoder, deliver func(*drivers.Delivery)) error {
	switch {
	case block.Err == sarama.ErrNoError:
	case block.Err == sarama.ErrOffsetOutOfRange:
		return fmt.Errorf("%w: %w", errRemoved, block.Err)
	case block.Err == sarama.ErrTopicAuthorizationFailed:
		return fmt.Errorf("%w: the login is not allowed to read the topic (Read): %w", errIncomplete, block.Err)
	default:
		return block.Err
	}
	s.delivering.Lock()
	next, err := d.decode(p.partition, p.next, block, deliver)
	s.delivering.Unlock()
	end := block.HighWaterMarkOffset
	if s.committed && block.LastStableOffset >= 0 {
		end = block.LastStableOffset
	}
	p.grow(next, block)
	s.advance(p, next, end)
	return err
}

// grow raises the fetch size when not even one batch fit.
func (p *position) grow(next int64, block *sarama.FetchResponseBlock) {
	switch {
	case next > p.next:
		p.size = fetchSize
	case block.Partial || len(block.RecordsSet) > 0:
		p.size = int32(min(2*int64(p.size), math.MaxInt32/2))
	}
}

func (s *Source) advance(p *position, next, end int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.end = end
	if next == p.next {
		return
	}
	p.next = next
	close(s.moved)
	s.moved = make(chan struct{})
}

// fieldPaths says where a record holds its identity, key, origin and sequence number. If id is nil, header names the header
// with the identity. If key is nil, the record's own key is used. The others are absent if nil.
type fieldPaths struct {
	id, key, origin, sequence *jsonpath.Path
	header                    string
}

// decoder turns fetched batches into deliveries. One goroutine uses it at a time.
type decoder struct {
	env       *drivers.Env
	fields    fieldPaths
	committed bool
	// translator shows values as JSON; nil: the values are JSON.
	translator *translator
	delivery   drivers.Delivery
	scratch    [4][]byte
}

// decode delivers the records of block from offset next on. It returns the offset after the last record that it dealt with.
func (d *decoder) decode(partition int32, next int64, block *sarama.FetchResponseBlock, deliver func(*drivers.Delivery)) (int64, error) {
	d.delivery = drivers.Delivery{Position: drivers.PositionIn(partition, 0), At: d.env.Clock()}
	aborted := newAbortedTransactions(block.AbortedTransactions)
	for _, set := range block.RecordsSet {
		batch := set.RecordBatch
		if batch == nil {
			return next, fmt.Errorf("%w: the topic holds messages of the format before Kafka 0.11, which have no headers", errIncomplete)
		}
		if batch.PartialTrailingRecord {
			return next, nil
		}
		hidden := aborted.hides(batch)
		if batch.LastOffset() < next {
			continue
		}
		if err := checkComplete(batch, next); err != nil {
			return next, err
		}
		if !batch.Control && !(d.committed && hidden) {
			if err := d.records(batch, next, deliver); err != nil {
				return next, err
			}
		}
		next = batch.LastOffset() + 1
	}
	return next, nil
}

// checkComplete checks that no record is missing. A log that is not compacted has no gaps, within batches or between them.
func checkComplete(batch *sarama.RecordBatch, next int64) error {
	if batch.FirstOffset > next || len(batch.Records) != int(batch.LastOffsetDelta)+1 {
		return fmt.Errorf("%w, some up to offset %d", errRemoved, batch.LastOffset())
	}
	return nil
}

// records delivers the records of a batch from offset next on. With an error it delivers none.
func (d *decoder) records(batch *sarama.RecordBatch, next int64, deliver func(*drivers.Delivery)) error {
	values, err := d.translated(batch)
	if err != nil {
		return err
	}
	for i, r := range batch.Records {
		offset := batch.FirstOffset + r.OffsetDelta
		if offset < next {
			continue
		}
		d.delivery.Position.At = offset
		value := values(i)
		d.delivery.ID = d.id(r, value)
		d.delivery.Key = r.Key
		if d.fields.key != nil {
			d.delivery.Key = d.fields.key.Find(value, &d.scratch[1])
		}
		if d.fields.origin != nil {
			d.delivery.Origin = d.fields.origin.Find(value, &d.scratch[2])
		}
		if d.fields.sequence != nil {
			d.delivery.Sequence = d.fields.sequence.Find(value, &d.scratch[3])
		}
		deliver(&d.delivery)
	}
	return nil
}

func (d *decoder) id(r *sarama.Record, value []byte) []byte {
	if d.fields.id != nil {
		return d.fields.id.Find(value, &d.scratch[0])
	}
	for _, h := range r.Headers {
		if string(h.Key) == d.fields.header {
			return h.Value
		}
	}
	return nil
}

// abortedTransactions tracks the aborted transactions through the batches of one response. A producer's transactional
// records are aborted from the offset that the broker names to the producer's abort marker.
type abortedTransactions struct {
	ahead []*sarama.AbortedTransaction // by first offset
	now   map[int64]bool               // producers
}

func newAbortedTransactions(all []*sarama.AbortedTransaction) *abortedTransactions {
	ahead := slices.Clone(all)
	slices.SortFunc(ahead, func(a, b *sarama.AbortedTransaction) int { return cmp.Compare(a.FirstOffset, b.FirstOffset) })
	return &abortedTransactions{ahead: ahead, now: make(map[int64]bool)}
}

// hides says whether the batch's records were aborted. It must be called for each batch, in order.
func (a *abortedTransactions) hides(batch *sarama.RecordBatch) bool {
	for len(a.ahead) > 0 && a.ahead[0].FirstOffset <= batch.LastOffset() {
		a.now[a.ahead[0].ProducerID] = true
		a.ahead = a.ahead[1:]
	}
	if batch.Control {
		if isAbort(batch) {
			delete(a.now, batch.ProducerID)
		}
		return true
	}
	return batch.IsTransactional && a.now[batch.ProducerID]
}

// isAbort distinguishes an abort marker from a commit marker. The key is a version and a type; type 0 is abort.
func isAbort(batch *sarama.RecordBatch) bool {
	return len(batch.Records) > 0 && len(batch.Records[0].Key) >= 4 && binary.BigEndian.Uint16(batch.Records[0].Key[2:]) == 0
}
