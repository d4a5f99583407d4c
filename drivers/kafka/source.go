package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kgo"

	"wringer/drivers"
)

// Source reads all partitions of a topic, from their ends at Start, over connections of its own.
//
// An offset alone does not name a record: a topic may be deleted and made anew, and an unclean election cuts a log back. So
// each fetch carries the topic's id and the epoch of the last record (KIP-516, KIP-320), which sarama cannot send; franz-go
// can. When records that were delivered are gone, the source takes back everything and reads again from the start.
//
// Control records and records of aborted transactions are never delivered. So the last delivered offset does not show
// whether the end was reached.
type Source struct {
	name       string
	brokers    []string
	topic      string
	env        drivers.Env
	committed  bool
	autoCreate bool // the brokers may create a topic that is absent at Start
	fields     fieldPaths
	differs    func(id, value []byte) string // see decoder
	translator *translator
	access     access
	tlsConfig  *tls.Config

	network *network
	client  sarama.Client
	reader  *kgo.Client

	id   [16]byte              // of the topic; zero: the brokers give topics no ids. Receive owns it, as gone
	gone map[[16]byte]struct{} // ids of topics of this name that were deleted

	delivering sync.Mutex   // held around deliver
	wanted     atomic.Int64 // the number of the latest CatchUp

	mu        sync.Mutex
	receiving bool // Receive was called
	positions []*position
	failed    error
	lastError error         // the last error that was retried, or will be
	moved     chan struct{} // closed and replaced whenever a position moves or the source fails
}

// position is how far one partition was read. Source.mu guards next, end and confirmed; the fetching goroutine owns the
// rest.
type position struct {
	partition int32
	start     int64 // the first offset that belongs to the run
	next      int64 // the first offset that was not delivered yet
	end       int64 // the end at the last fetch; -1 before
	confirmed int64 // the last CatchUp since which the leader answered
	size      int32 // bytes to fetch, at most
	delivered int64 // above every offset with a record that was delivered; 0: none
	epochs    []epochStart
	last      *landmark // the last batch of a topic without an id; nil: nothing was read
	mark      *landmark // the last one at the last look; before a look the first one
}

var (
	_ drivers.Source = (*Source)(nil)
	_ drivers.Gauger = (*Source)(nil)
)

// newSource prepares the reader of a topic. It dials nothing.
func newSource(env drivers.Env, brokers, topic string, access access, fields fieldConfig, schema *Translation, committed bool) (*Source, error) {
	s := &Source{name: fmt.Sprintf("kafka %s, topic %s", brokers, topic), topic: topic, env: env, access: access,
		committed: committed, moved: make(chan struct{})}
	var err error
	if s.brokers, err = splitBrokers(brokers); err != nil {
		return nil, fmt.Errorf("%w: %s: brokers: %w", drivers.ErrConfig, s.name, err)
	}
	if s.tlsConfig, err = s.access.loadTLS(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, s.name, err)
	}
	if s.translator, err = schema.open(env); err != nil {
		return nil, fmt.Errorf("%w: %s: schema: %w", drivers.ErrConfig, s.name, err)
	}
	if s.fields, err = fields.compile(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", drivers.ErrConfig, s.name, err)
	}
	return s, nil
}

// Start implements drivers.Source. A topic that does not exist is an error, unless the brokers create it on request.
func (s *Source) Start(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return fmt.Errorf("read %s: %w", s.name, err)
	}
	return nil
}

func (s *Source) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	s.network = newNetwork(s.env.Direct, patience(s.env.Timeout), s.brokers)
	s.network.tlsConfig = s.tlsConfig
	guard := context.AfterFunc(ctx, s.network.close)
	defer guard()
	config := clientConfig(s.env, s.network)
	if s.access.setLogin(config); s.access.sasl != nil {
		s.network.logins = config
	}
	config.Metadata.AllowAutoTopicCreation = s.autoCreate
	var err error
	if s.client, err = sarama.NewClient(s.brokers, config); err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if s.reader, err = s.newReader(); err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	if err := findTopic(ctx, s.client, s.topic, nil); err != nil {
		return err
	}
	partitions, err := s.client.Partitions(s.topic)
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
	}
	// The end counts uncommitted records too: records of a transaction that was open before do not belong to this run.
	ends, err := s.ends(ctx, partitions, sarama.ReadUncommitted)
	if isDenied(err) {
		return denied("to read the topic", err)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
	}
	for _, n := range partitions {
		p := &position{partition: n, start: ends[n].offset, next: ends[n].offset, end: -1, size: fetchSize}
		if ends[n].epoch >= 0 {
			p.epochs = []epochStart{{ends[n].epoch, p.start}}
		}
		s.positions = append(s.positions, p)
	}
	described, err := s.describe(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", drivers.ErrUnreachable, err)
	}
	s.id = described.TopicID
	return nil
}

// logEnd is the end of a partition, and the epoch of the last record before it; -1: not known.
type logEnd struct {
	offset int64
	epoch  int32
}

// firstWithEpoch is the first version of ListOffsets whose answers name an epoch.
const firstWithEpoch = 4

func epochOf(request *sarama.OffsetRequest, block *sarama.OffsetResponseBlock) int32 {
	if request.Version < firstWithEpoch {
		return -1
	}
	return block.LeaderEpoch
}

// ends asks the leaders for the ends of the partitions, until all ends are known or ctx ends.
func (s *Source) ends(ctx context.Context, partitions []int32, level sarama.IsolationLevel) (map[int32]logEnd, error) {
	ends := make(map[int32]logEnd, len(partitions))
	for {
		err := s.askEnds(ends, partitions, level)
		if err == nil {
			return ends, nil
		}
		if isDenied(err) {
			return nil, err
		}
		if !drivers.Pause(ctx, backoff) {
			return nil, fmt.Errorf("ask for the end of the topic: %w", err)
		}
		_ = s.client.RefreshMetadata(s.topic) // an error that matters shows in the next request
	}
}

// askEnds asks each leader once for the missing ends, and adds the answers to ends.
func (s *Source) askEnds(ends map[int32]logEnd, partitions []int32, level sarama.IsolationLevel) error {
	requests := make(map[*sarama.Broker]*sarama.OffsetRequest)
	var all []error
	for _, p := range partitions {
		if _, known := ends[p]; known {
			continue
		}
		leader, err := s.client.Leader(s.topic, p)
		if err != nil {
			all = append(all, fmt.Errorf("partition %d: %w", p, err))
			continue
		}
		if requests[leader] == nil {
			requests[leader] = sarama.NewOffsetRequest(s.client.Config().Version)
			requests[leader].IsolationLevel = level
		}
		requests[leader].AddBlock(s.topic, p, sarama.OffsetNewest, 1)
	}
	for leader, request := range requests {
		response, err := leader.GetAvailableOffsets(request)
		if err != nil {
			_ = leader.Close() // the next lookup of a leader opens it again
			all = append(all, fmt.Errorf("broker %s: %w", leader.Addr(), err))
			continue
		}
		for p, block := range response.Blocks[s.topic] {
			if block.Err != sarama.ErrNoError {
				all = append(all, fmt.Errorf("partition %d: %w", p, block.Err))
				continue
			}
			ends[p] = logEnd{block.Offset, epochOf(request, block)}
		}
	}
	for _, p := range partitions {
		if _, known := ends[p]; !known && len(all) == 0 {
			return fmt.Errorf("partition %d: no answer", p)
		}
	}
	return errors.Join(all...)
}

// CatchUp implements drivers.Source.
func (s *Source) CatchUp(ctx context.Context) error {
	if err := s.catchUp(ctx); err != nil {
		return fmt.Errorf("read %s to its end: %w", s.name, err)
	}
	return nil
}

func (s *Source) catchUp(ctx context.Context) error {
	partitions, err := s.samePartitions(ctx)
	if err != nil {
		return errors.Join(err, s.recentError())
	}
	level := sarama.ReadUncommitted
	if s.committed {
		level = sarama.ReadCommitted
	}
	ends, err := s.ends(ctx, partitions, level)
	if err != nil {
		return err
	}
	// Only an answer to a request made from now on shows that the log still holds what was read of it.
	wanted := s.wanted.Add(1)
	for {
		moved, behind, err := s.unread(ends, wanted)
		if err != nil || moved == nil {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", behind, errors.Join(ctx.Err(), s.recentError()))
		}
	}
}

// unread names a partition that was not read to its end, and returns a channel that is closed when that may have changed.
// It returns nil if every partition was read.
func (s *Source) unread(ends map[int32]logEnd, wanted int64) (moved <-chan struct{}, where string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, "", s.failed
	}
	for _, p := range s.positions {
		if end := ends[p.partition].offset; p.next < end || s.receiving && p.confirmed < wanted {
			return s.moved, fmt.Sprintf("partition %d was read to offset %d of %d", p.partition, p.next, end), nil
		}
	}
	return nil, "", nil
}

func (s *Source) recentError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastError
}

// samePartitions returns the partitions of the topic. They must be those of the start: records of an added partition were
// not read, and keys have moved.
func (s *Source) samePartitions(ctx context.Context) ([]int32, error) {
	for {
		topic, err := s.describe(ctx)
		if err == nil {
			if len(topic.Partitions) != len(s.positions) {
				return nil, fmt.Errorf("the topic has %d partitions, and had %d at the start", len(topic.Partitions), len(s.positions))
			}
			all := make([]int32, len(s.positions))
			for i, p := range s.positions {
				all[i] = p.partition
			}
			_ = s.client.RefreshMetadata(s.topic) // an error that matters shows in the next request
			return all, nil
		}
		if !drivers.Pause(ctx, backoff) {
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

// Gauges implements drivers.Gauger. lag is the number of records that could be read and were not yet.
func (s *Source) Gauges(emit func(name string, value float64)) {
	s.mu.Lock()
	lag, known := int64(0), len(s.positions) > 0
	for _, p := range s.positions {
		known = known && p.end >= 0
		lag += max(0, p.end-p.next)
	}
	s.mu.Unlock()
	if known {
		emit("lag", float64(lag))
	}
}

// Close implements drivers.Source.
func (s *Source) Close() error {
	if s.network == nil {
		return nil
	}
	s.network.close()
	if s.reader != nil {
		s.reader.Close()
	}
	if s.client == nil {
		return nil
	}
	if err := s.client.Close(); err != nil && !errors.Is(err, sarama.ErrClosedClient) {
		return err
	}
	return nil
}
