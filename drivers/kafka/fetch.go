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
	fetchSize = 1 << 20  // bytes per partition
	fetchMax  = 32 << 20 // bytes per response
	fetchWait = 200 * time.Millisecond
	// hurriedWait replaces fetchWait while CatchUp waits for an answer.
	hurriedWait = 10 * time.Millisecond
	// leaderlessWait is the time after which a partition without a leader is looked up again.
	leaderlessWait = 500 * time.Millisecond
)

var (
	// errIncomplete marks an error that no retry can repair: records were missed.
	errIncomplete = errors.New("integrity is unknown")
	// errRemoved says why: the log no longer holds the records to be read.
	errRemoved = fmt.Errorf("%w: records were removed before they were read", errIncomplete)
	// errCut says that records which were delivered are gone. All positions must be read again from the start.
	errCut = errors.New("records that were read are gone from the log")
)

// Receive implements drivers.Source.
func (s *Source) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	// Closing the connections ends a request in flight. Nothing is asked of the source afterwards.
	stop := context.AfterFunc(ctx, s.network.close)
	defer stop()
	s.mu.Lock()
	s.receiving = true
	s.mu.Unlock()
	for ctx.Err() == nil {
		err := s.followLeaders(ctx, deliver)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errIncomplete):
			err = fmt.Errorf("read %s: %w", s.name, err)
			if errors.Is(err, errRemoved) {
				err = fmt.Errorf("%w; %s", err, s.policy())
			}
			s.fail(err)
			return err
		case errors.Is(err, errCut):
			s.env.Log.Warn("the log was cut back: all of it is read again", "source", s.name, "why", err)
			s.readAgain(errors.Is(err, errAnew), deliver)
			continue
		case err != nil:
			s.mu.Lock()
			s.lastError = err
			s.mu.Unlock()
		}
		if !drivers.Pause(ctx, backoff) {
			break
		}
	}
	return nil
}

// readAgain takes back everything that was delivered, and goes back to where each partition began. In a topic made anew all of
// each partition belongs to the run.
func (s *Source) readAgain(anew bool, deliver func(*drivers.Delivery)) {
	s.mu.Lock()
	for _, p := range s.positions {
		if anew {
			p.start, p.epochs = 0, nil
		}
		p.last, p.mark = nil, nil
		p.next, p.end, p.confirmed, p.delivered = p.start, -1, 0, 0
		p.epochs = p.epochs[:min(1, len(p.epochs))]
	}
	s.mu.Unlock()
	s.delivering.Lock()
	deliver(&drivers.Delivery{Anew: true, At: s.env.Clock()})
	s.delivering.Unlock()
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
	return "retention, or a deletion of records, overtook the reader" + policy
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
	leaders, orphans, err := s.leaders(ctx)
	if err != nil {
		return err
	}
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
	if len(leaders) == 0 {
		<-ctx.Done()
	}
	followers.Wait()
	return errors.Join(failures...)
}

// follow fetches from one leader until ctx ends or a request fails.
func (s *Source) follow(ctx context.Context, l *leader, deliver func(*drivers.Delivery)) error {
	decoder := &decoder{env: &s.env, fields: s.fields, committed: s.committed, translator: s.translator, differs: s.differs}
	if err := s.compareEpochs(ctx, l); err != nil {
		return err
	}
	compared, looked := int64(-1), time.Time{} // the CatchUp, and the time, at which the logs were compared
	for ctx.Err() == nil {
		wanted := s.wanted.Load()
		if s.unnamed() && (compared < wanted || time.Since(looked) >= lookEvery) {
			if err := s.sameLogs(ctx, l); err != nil {
				return err
			}
			compared, looked = wanted, time.Now()
		}
		blocks, err := s.fetch(ctx, l, wanted)
		if err != nil {
			return err
		}
		for i, p := range l.positions {
			if blocks[i] == nil {
				return sarama.ErrIncompleteResponse
			}
			if err := s.deliverBlock(ctx, l, p, blocks[i], decoder, deliver); err != nil {
				return fmt.Errorf("partition %d at offset %d: %w", p.partition, p.next, err)
			}
			s.confirm(p, wanted)
		}
	}
	return nil
}

// confirm notes that a leader answered a request made after CatchUp number wanted began.
func (s *Source) confirm(p *position, wanted int64) {
	if p.confirmed == wanted {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.confirmed = wanted
	close(s.moved)
	s.moved = make(chan struct{})
}

// deliverBlock delivers the fetched records of one partition, and moves its position.
func (s *Source) deliverBlock(ctx context.Context, l *leader, p *position, block *sarama.FetchResponseBlock, d *decoder, deliver func(*drivers.Delivery)) error {
	switch {
	case block.DivergingEpoch != nil:
		return s.diverged(p, block.DivergingEpoch.Epoch, block.DivergingEpoch.EndOffset)
	case block.Err == sarama.ErrNoError:
	case block.Err == sarama.ErrOffsetOutOfRange:
		return s.outOfRange(ctx, l, p)
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
	p.noteEpochs(next, block)
	if s.unnamed() {
		p.noteLast(next, block)
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
	// differs says how a record differs from what was sent; nil: nothing is compared.
	differs  func(id, value []byte) string
	delivery drivers.Delivery
	scratch  [4][]byte
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
		if d.differs != nil {
			d.delivery.Wrong = d.differs(d.delivery.ID, value)
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
