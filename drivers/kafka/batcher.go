package kafka

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// batcher sends the records of a producer over the connections of sarama's client, without sarama's producer. sarama's
// producer passes every record through five goroutines, one at a time. That costs three quarters of the CPU time of a
// stream (BenchmarkAgainstBare). The batcher adds a record to the growing batch of its partition, and hands on whole
// batches.
//
// On the wire this looks exactly like sarama's producer without retries, idempotence or linger; the batcher replaces it
// only in that configuration. The records of a partition leave in the order in which they came, with one batch in flight. A
// batch holds the records that came while the batch before it was in flight. After a failure a partition waits until its
// leader is known again.
//
// A record belongs to a batch as soon as its partition has a leader and the queue holds less than a full batch. From then
// on the record may be sent even after its attempt ended. Records that do not fit yet can be cancelled. Cancelled records
// are removed before a queue grows, so the queues are bounded by the attempts in flight. Safe for concurrent use.
type batcher struct {
	driver      *Driver
	client      sarama.Client
	topic       string
	partitioner sarama.DynamicConsistencyPartitioner
	request     sarama.ProduceRequest
	recordBatch sarama.RecordBatch
	batchBytes  int           // the largest size of a batch
	backoff     time.Duration // between two requests for metadata

	mu      sync.Mutex
	queues  []*partitionQueue // by partition
	led     []*partitionQueue // the queues whose leader is known
	senders map[*sarama.Broker]*brokerSender

	leaderless chan struct{} // signals that a queue has no leader
}

// partitionQueue holds the records of one partition that have not been sent. batcher.mu guards all of it.
type partitionQueue struct {
	partition int32
	records   []*pendingRecord
	bytes     int              // of records
	sweepAt   int              // the length of records at which cancelled records are removed
	spare     []*pendingRecord // memory for the next batch
	parts     []int            // the lengths of the next batches: parts of one that was too large
	limit     int              // bytes of a batch; 0: batcher.batchBytes
	fit       int              // bytes of the largest batch that was not too large
	busy      bool             // a batch is in flight
	listed    bool             // sender.ready has this queue
	sender    *brokerSender    // nil: the leader is not known
}

// brokerSender sends the batches for one broker.
type brokerSender struct {
	broker *sarama.Broker
	wake   chan struct{}
	closed chan struct{}     // closed when the connection has failed
	failed bool              // guarded by batcher.mu, as ready is
	ready  []*partitionQueue // queues with records and no batch in flight
}

// batch is the records of one partition in one request.
type batch struct {
	queue   *partitionQueue
	records []*pendingRecord
	size    int // in bytes, at most
}

// errNoPartition says that the topic has lost a partition.
var errNoPartition = errors.New("the topic has no such partition any more")

const (
	// requestRoom is the room in a request for everything besides its batches.
	requestRoom = 64 << 10
	// leastSweep is the shortest queue that is searched for cancelled records.
	leastSweep = 4096
)

// batchesItself says whether the driver can send the records of c without sarama's producer.
func (c *Config) batchesItself() bool {
	return c.retries() == 0 && !c.idempotent() && c.Acks != "none" && c.Linger == 0
}

// newBatcher makes a batcher for a topic that the client knows. It connects when the first record comes.
func newBatcher(d *Driver, client sarama.Client) (*batcher, error) {
	config := client.Config()
	b := &batcher{
		driver: d, client: client, topic: d.config.Topic, partitioner: config.Producer.Partitioner(d.config.Topic).(sarama.DynamicConsistencyPartitioner),
		request: sarama.ProduceRequest{RequiredAcks: config.Producer.RequiredAcks, Timeout: int32(config.Producer.Timeout / time.Millisecond),
			Version: produceVersion(config.Version)},
		recordBatch: sarama.RecordBatch{Version: 2, Codec: config.Producer.Compression, CompressionLevel: config.Producer.CompressionLevel,
			ProducerID: -1, ProducerEpoch: -1},
		batchBytes: config.Producer.MaxMessageBytes, backoff: config.Producer.Retry.Backoff,
		senders: make(map[*sarama.Broker]*brokerSender), leaderless: make(chan struct{}, 1),
	}
	partitions, err := client.Partitions(b.topic)
	b.updateQueues(partitions)
	return b, err
}

// produceVersion is the newest version of Produce that brokers of this version understand and sarama can write.
func produceVersion(brokers sarama.KafkaVersion) int16 {
	version := int16(3) // the first with headers
	for _, step := range []struct {
		since   sarama.KafkaVersion
		version int16
	}{{sarama.V1_0_0_0, 5}, {sarama.V2_0_0_0, 6}, {sarama.V2_1_0_0, 7}, {sarama.V2_4_0_0, 8}, {sarama.V2_8_0_0, 9}, {sarama.V3_7_0_0, 10}} {
		if brokers.IsAtLeast(step.since) {
			version = step.version
		}
	}
	return version
}

// put takes a record. It does not block.
func (b *batcher) put(r *pendingRecord) {
	r.size = r.message.ByteSize(2)
	if r.size > b.batchBytes {
		b.driver.returned(&r.message, sarama.ConfigurationError("the record is larger than a batch may be"))
		return
	}
	b.mu.Lock()
	q, err := b.queueOf(r)
	if err != nil {
		b.mu.Unlock()
		b.driver.returned(&r.message, err)
		return
	}
	if q.sender != nil && q.bytes < b.batchBytes {
		r.claim()
	}
	q.records = append(q.records, r)
	q.bytes += r.size
	if len(q.records) >= max(leastSweep, q.sweepAt) {
		b.sweep(q)
	}
	s := q.offer()
	if len(b.senders) == 0 {
		signal(b.leaderless)
	}
	b.mu.Unlock()
	s.signal()
}

// queueOf chooses the partition of a record. b.mu is held.
func (b *batcher) queueOf(r *pendingRecord) (*partitionQueue, error) {
	all := b.queues
	if len(b.led) > 0 && !b.partitioner.MessageRequiresConsistency(&r.message) {
		all = b.led // a record without a key avoids partitions without a leader
	}
	n, err := b.partitioner.Partition(&r.message, int32(len(all)))
	if err != nil {
		return nil, err
	}
	return all[n], nil
}

// sweep removes cancelled records. b.mu is held.
func (b *batcher) sweep(q *partitionQueue) {
	q.records = slices.DeleteFunc(q.records, func(r *pendingRecord) bool {
		gone := r.stage.Load() == cancelled
		if gone {
			q.bytes -= r.size
			b.driver.pending.remove(r)
		}
		return gone
	})
	q.sweepAt = 2 * len(q.records)
}

// offer lists a queue that can be sent, and returns the sender to wake up; nil: none. batcher.mu is held.
func (q *partitionQueue) offer() *brokerSender {
	if q.sender == nil || q.busy || q.listed || len(q.records) == 0 {
		return nil
	}
	q.listed = true
	q.sender.ready = append(q.sender.ready, q)
	return q.sender
}

func (s *brokerSender) signal() {
	if s != nil {
		signal(s.wake)
	}
}

// signal wakes up the receiver of c, now or when it next receives.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// serve sends ready batches until the connection fails or the driver is closed. Then it closes the connection.
func (b *batcher) serve(s *brokerSender) {
	for {
		select {
		case <-s.wake:
			for all := b.collect(s); len(all) > 0; all = b.collect(s) {
				b.send(s, all)
			}
			continue
		case <-s.closed:
		case <-b.driver.shutting:
		}
		break
	}
	_ = s.broker.Close() // here and not in answered: Close waits for the goroutine that reports the failure
	b.mu.Lock()
	delete(b.senders, s.broker)
	b.mu.Unlock()
	signal(b.leaderless)
}

// collect takes the batches of one request. It returns none when no queue is ready.
func (b *batcher) collect(s *brokerSender) (all []batch) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := int(sarama.MaxRequestSize) - requestRoom
	for len(s.ready) > 0 {
		q := s.ready[0]
		if len(all) > 0 && len(q.records) > 0 && q.records[0].size > room {
			break
		}
		s.ready, q.listed = s.ready[1:], false
		records, size := b.take(q, min(room, b.batchBytes))
		room -= size
		if len(records) > 0 {
			q.busy = true
			all = append(all, batch{q, records, size})
		}
	}
	if len(s.ready) == 0 {
		s.ready = nil
	}
	return all
}

// take takes a batch from the front of a queue: at most limit bytes, and at least one record. b.mu is held.
func (b *batcher) take(q *partitionQueue, limit int) (taken []*pendingRecord, size int) {
	taken, q.spare, size = q.spare[:0], nil, batchOverhead+12
	most := len(q.records)
	if len(q.parts) > 0 {
		most, q.parts = q.parts[0], q.parts[1:]
	}
	if q.limit > 0 {
		limit = min(limit, q.limit)
	}
	n := 0
	for _, r := range q.records {
		if len(taken) > 0 && size+r.size >= limit || n == most {
			break
		}
		n++
		q.bytes -= r.size
		if !r.claim() {
			b.driver.pending.remove(r)
			continue
		}
		taken = append(taken, r)
		size += r.size
	}
	rest := copy(q.records, q.records[n:])
	clear(q.records[rest:])
	q.records = q.records[:rest]
	return taken, size
}

// send sends one request. It blocks while the broker has as many open requests as it may have.
func (b *batcher) send(s *brokerSender, all []batch) {
	request := b.request
	for _, batch := range all {
		request.AddBatch(b.topic, batch.queue.partition, b.encode(batch.records))
	}
	err := s.broker.AsyncProduce(&request, func(response *sarama.ProduceResponse, err error) { b.answered(s, all, response, err) })
	if err != nil {
		b.answered(s, all, nil, err)
	}
}

// encode makes a record batch. The timestamp of a record is the time at which its attempt began.
func (b *batcher) encode(pending []*pendingRecord) *sarama.RecordBatch {
	batch := b.recordBatch
	records := make([]sarama.Record, len(pending))
	batch.Records = make([]*sarama.Record, len(pending))
	batch.LastOffsetDelta = int32(len(pending) - 1)
	headers := make([]*sarama.RecordHeader, 0, len(pending)*len(pending[0].message.Headers))
	epoch, first, last := b.driver.env.Epoch(), pending[0].begun, pending[0].begun
	batch.FirstTimestamp = epoch.Add(first).Truncate(time.Millisecond)
	for i, r := range pending {
		from := len(headers)
		for h := range r.message.Headers {
			headers = append(headers, &r.message.Headers[h])
		}
		last = max(last, r.begun)
		records[i] = sarama.Record{Headers: headers[from:len(headers):len(headers)], OffsetDelta: int64(i), TimestampDelta: r.begun - first, Value: r.value}
		if r.message.Key != nil {
			records[i].Key = r.key
		}
		batch.Records[i] = &records[i]
	}
	batch.MaxTimestamp = batch.FirstTimestamp.Add(last - first)
	return &batch
}

const (
	accepted fate = iota
	failed
	again   // nothing of it was written
	halved  // it was too large, and its halves may not be
	refused // a record that is too large by itself; the leader stays known
)
