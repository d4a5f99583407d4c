package kafka

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

// press sends the records of a line over the connections of sarama's client, without sarama's producer. That hands every
// record through five goroutines, one at a time, which costs three quarters of the CPU time of a stream
// (BenchmarkAgainstBare); here a record is put where its batch grows, and whole batches are handed on.
//
// What the brokers see is what that producer makes them see when it neither resends, nor numbers its batches, nor lingers,
// which is when it is replaced: the records of a partition leave in the order in which they came, with one batch under way,
// and a batch holds what came while the one before was under way. After a failure a partition waits for news of its leader.
//
// A record is in a batch, and may leave even after its attempt, as soon as its partition has a leader and a batch's worth of
// room. What waits beyond that can be withdrawn; and what was is thrown out before a queue doubles, so that what waits is
// bounded by what the runner lets be under way. Safe for concurrent use.
type press struct {
	driver      *Driver
	client      sarama.Client
	topic       string
	partitioner sarama.DynamicConsistencyPartitioner
	template    sarama.ProduceRequest
	batch       sarama.RecordBatch
	batchBytes  int           // bound of a batch
	backoff     time.Duration // between two questions for leaders

	mu    sync.Mutex
	lanes []*lane // by partition
	led   []*lane // those whose leader is known
	desks map[*sarama.Broker]*desk

	stale chan struct{} // tells that a lane has no leader
}

// lane is the records of one partition that have not left. All of it is guarded by press.mu.
type lane struct {
	partition int32
	queue     []*flight
	bytes     int       // of queue
	sweepAt   int       // length of queue at which withdrawn records are thrown out
	spare     []*flight // room for the next queue
	busy      bool      // a batch is under way
	listed    bool      // desk.ready has it
	desk      *desk     // nil: the leader is not known
}

// desk is a broker and who sends to it.
type desk struct {
	broker *sarama.Broker
	wake   chan struct{}
	over   chan struct{} // closed when the connection has failed
	failed bool          // guarded by press.mu, as ready is
	ready  []*lane       // with records, and no batch under way
}

// load is the batch of one partition.
type load struct {
	lane    *lane
	flights []*flight
}

// errNoPartition says that a topic has lost a partition.
var errNoPartition = errors.New("the topic has no such partition any more")

const (
	// requestRoom is what a request may hold beside its batches.
	requestRoom = 64 << 10
	// leastSweep is the shortest queue that is searched for withdrawn records.
	leastSweep = 4096
)

// pressed says whether the records of c need nothing of sarama's producer.
func (c *Config) pressed() bool {
	return c.retries() == 0 && !c.idempotent() && c.Acks != "none" && c.Linger == 0
}

// newPress makes a press for a topic that the client knows. It connects when the first record comes.
func newPress(d *Driver, client sarama.Client) (*press, error) {
	config := client.Config()
	p := &press{
		driver: d, client: client, topic: d.config.Topic, partitioner: config.Producer.Partitioner(d.config.Topic).(sarama.DynamicConsistencyPartitioner),
		template: sarama.ProduceRequest{RequiredAcks: config.Producer.RequiredAcks, Timeout: int32(config.Producer.Timeout / time.Millisecond),
			Version: produceVersion(config.Version)},
		batch: sarama.RecordBatch{Version: 2, Codec: config.Producer.Compression, CompressionLevel: config.Producer.CompressionLevel,
			ProducerID: -1, ProducerEpoch: -1},
		batchBytes: config.Producer.MaxMessageBytes, backoff: config.Producer.Retry.Backoff,
		desks: make(map[*sarama.Broker]*desk), stale: make(chan struct{}, 1),
	}
	partitions, err := client.Partitions(p.topic)
	p.arrange(partitions)
	return p, err
}

// produceVersion is the newest version of Produce that brokers of a version speak and sarama writes.
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
func (p *press) put(f *flight) {
	f.size = f.message.ByteSize(2)
	if f.size > p.batchBytes {
		p.driver.returned(&f.message, sarama.ConfigurationError("the record is larger than a batch may be"))
		return
	}
	p.mu.Lock()
	l, err := p.laneOf(f)
	if err != nil {
		p.mu.Unlock()
		p.driver.returned(&f.message, err)
		return
	}
	if l.desk != nil && l.bytes < p.batchBytes {
		f.enlist()
	}
	l.queue = append(l.queue, f)
	l.bytes += f.size
	if len(l.queue) >= max(leastSweep, l.sweepAt) {
		p.sweep(l)
	}
	d := l.offer()
	if len(p.desks) == 0 {
		signal(p.stale)
	}
	p.mu.Unlock()
	d.signal()
}

// laneOf chooses the partition. p.mu is held.
func (p *press) laneOf(f *flight) (*lane, error) {
	all := p.lanes
	if len(p.led) > 0 && !p.partitioner.MessageRequiresConsistency(&f.message) {
		all = p.led // around those without a leader
	}
	n, err := p.partitioner.Partition(&f.message, int32(len(all)))
	if err != nil {
		return nil, err
	}
	return all[n], nil
}

// sweep throws out what was withdrawn. p.mu is held.
func (p *press) sweep(l *lane) {
	l.queue = slices.DeleteFunc(l.queue, func(f *flight) bool {
		gone := f.stage.Load() == withdrawn
		if gone {
			l.bytes -= f.size
			p.driver.flights.leave(f)
		}
		return gone
	})
	l.sweepAt = 2 * len(l.queue)
}

// offer lists a lane that can send, and returns the desk to wake up for it; nil: none. press.mu is held.
func (l *lane) offer() *desk {
	if l.desk == nil || l.busy || l.listed || len(l.queue) == 0 {
		return nil
	}
	l.listed = true
	l.desk.ready = append(l.desk.ready, l)
	return l.desk
}

func (d *desk) signal() {
	if d != nil {
		signal(d.wake)
	}
}

// signal wakes up who waits for c, or will.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// serve sends what is ready until the connection fails or the driver is closed, and closes the connection.
func (p *press) serve(d *desk) {
	for {
		select {
		case <-d.wake:
			for all := p.collect(d); len(all) > 0; all = p.collect(d) {
				p.send(d, all)
			}
			continue
		case <-d.over:
		case <-p.driver.shutting:
		}
		break
	}
	_ = d.broker.Close() // not by who hears of the failure: Close waits for him
	p.mu.Lock()
	delete(p.desks, d.broker)
	p.mu.Unlock()
	signal(p.stale)
}

// collect takes the batches of one request; none when nothing is ready.
func (p *press) collect(d *desk) (all []load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	room := int(sarama.MaxRequestSize) - requestRoom
	for len(d.ready) > 0 {
		l := d.ready[0]
		if len(all) > 0 && len(l.queue) > 0 && l.queue[0].size > room {
			break
		}
		d.ready, l.listed = d.ready[1:], false
		flights, size := p.take(l, min(room, p.batchBytes))
		room -= size
		if len(flights) > 0 {
			l.busy = true
			all = append(all, load{l, flights})
		}
	}
	if len(d.ready) == 0 {
		d.ready = nil
	}
	return all
}

// take takes a batch of at most limit bytes, and at least one record, from the front of a queue. p.mu is held.
func (p *press) take(l *lane, limit int) (taken []*flight, size int) {
	taken, l.spare, size = l.spare[:0], nil, batchOverhead+12
	n := 0
	for _, f := range l.queue {
		if len(taken) > 0 && size+f.size >= limit {
			break
		}
		n++
		l.bytes -= f.size
		if !f.enlist() {
			p.driver.flights.leave(f)
			continue
		}
		taken = append(taken, f)
		size += f.size
	}
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	return taken, size
}

// send sends one request. It blocks while the broker lets no further one be open.
func (p *press) send(d *desk, all []load) {
	request := p.template
	for _, l := range all {
		request.AddBatch(p.topic, l.lane.partition, p.encode(l.flights))
	}
	err := d.broker.AsyncProduce(&request, func(response *sarama.ProduceResponse, err error) { p.answered(d, all, response, err) })
	if err != nil {
		p.answered(d, all, nil, err)
	}
}

// encode makes a record batch. A record's time is that at which its attempt began.
func (p *press) encode(flights []*flight) *sarama.RecordBatch {
	batch := p.batch
	records := make([]sarama.Record, len(flights))
	batch.Records = make([]*sarama.Record, len(flights))
	batch.LastOffsetDelta = int32(len(flights) - 1)
	headers := make([]*sarama.RecordHeader, 0, len(flights)*len(flights[0].message.Headers))
	epoch, first, last := p.driver.env.Epoch(), flights[0].begun, flights[0].begun
	batch.FirstTimestamp = epoch.Add(first).Truncate(time.Millisecond)
	for i, f := range flights {
		from := len(headers)
		for h := range f.message.Headers {
			headers = append(headers, &f.message.Headers[h])
		}
		last = max(last, f.begun)
		records[i] = sarama.Record{Headers: headers[from:len(headers):len(headers)], OffsetDelta: int64(i), TimestampDelta: f.begun - first, Value: f.value}
		if f.message.Key != nil {
			records[i].Key = f.key
		}
		batch.Records[i] = &records[i]
	}
	batch.MaxTimestamp = batch.FirstTimestamp.Add(last - first)
	return &batch
}

// answered ends the batches of one request, whose answer is response, or which got none for the reason of err. What the broker
// acked has ended on the wire already.
func (p *press) answered(d *desk, all []load, response *sarama.ProduceResponse, err error) {
	failed := make([]bool, len(all))
	for i, l := range all {
		why, offset := err, int64(-1)
		if err == nil {
			offset, why = answerOf(response.GetBlock(p.topic, l.lane.partition))
		}
		failed[i] = why != nil
		for k, f := range l.flights {
			if why == nil && f.acked { // noted by the tap, which this answer has just passed
				continue
			}
			if f.message.Partition = l.lane.partition; offset >= 0 {
				f.message.Offset = offset + int64(k)
			}
			p.driver.returned(&f.message, why)
		}
	}
	p.mu.Lock()
	if broken(err) {
		p.fail(d)
	}
	for i, l := range all {
		p.free(l, failed[i])
	}
	desk := d
	if len(d.ready) == 0 {
		desk = nil
	}
	p.mu.Unlock()
	desk.signal()
}

// answerOf is the offset that a partition's part of an answer gives the first record, negative where it gives none, and what
// it says instead of an ack.
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

// broken says whether an error is that of a connection, and not of a request that could not be written.
func broken(err error) bool {
	return err != nil && !errors.As(err, new(sarama.PacketEncodingError))
}

// fail takes a desk's lanes from it. What was in their batches can be withdrawn again. p.mu is held.
func (p *press) fail(d *desk) {
	if d.failed {
		return
	}
	d.failed, d.ready = true, nil
	close(d.over)
	for _, l := range p.lanes {
		if l.desk == d {
			l.desk, l.listed = nil, false
			for _, f := range l.queue {
				f.stage.CompareAndSwap(batched, waiting)
			}
		}
	}
	p.tally()
}

// free ends the batch under way of a lane, which after a failure waits for news of its leader. p.mu is held.
func (p *press) free(done load, failed bool) {
	l := done.lane
	clear(done.flights)
	l.spare, l.busy = done.flights[:0], false
	if failed && l.desk != nil {
		l.desk = nil
		p.tally()
	}
	if l.desk == nil {
		signal(p.stale)
		return
	}
	l.offer()
}

// tally lists the lanes whose leader is known. p.mu is held.
func (p *press) tally() {
	p.led = nil
	for _, l := range p.lanes {
		if l.desk != nil {
			p.led = append(p.led, l)
		}
	}
}

// inquire asks who leads, whenever a lane has no leader, until the driver is closed.
func (p *press) inquire() {
	for first := true; ; first = false {
		select {
		case <-p.stale:
		case <-p.driver.shutting:
			return
		}
		if err := p.ask(first); err != nil {
			p.giveUp(err)
		}
	}
}

// ask finds the leaders: the first time those that the client knows already, later after a pause those that the brokers name.
func (p *press) ask(first bool) error {
	if !first {
		timer := time.NewTimer(p.backoff)
		select {
		case <-timer.C:
		case <-p.driver.shutting:
			timer.Stop()
			return nil
		}
		if err := p.client.RefreshMetadata(p.topic); err != nil {
			return err
		}
	}
	return p.learn()
}

// learn gives the lanes that have no leader the one that the client knows of.
func (p *press) learn() error {
	partitions, err := p.client.Partitions(p.topic)
	if err != nil {
		return err
	}
	leaders := make([]*sarama.Broker, len(partitions))
	for i, partition := range partitions {
		if leaders[i], err = p.client.Leader(p.topic, partition); err != nil {
			return err
		}
	}
	p.mu.Lock()
	orphans := p.arrange(partitions)
	var wake []*desk
	for i, l := range p.lanes {
		if l.desk == nil {
			l.desk = p.deskOf(leaders[i])
			wake = append(wake, l.offer())
		}
	}
	p.tally()
	p.mu.Unlock()
	for _, d := range wake {
		d.signal()
	}
	p.giveBack(orphans, errNoPartition)
	return nil
}

// arrange makes lanes for partitions that are new, and returns what waits for those that are no more. p.mu is held.
func (p *press) arrange(partitions []int32) (orphans []*flight) {
	known := make(map[int32]*lane)
	for _, l := range p.lanes {
		known[l.partition] = l
	}
	p.lanes = nil
	for _, partition := range partitions {
		l := known[partition]
		if l == nil {
			l = &lane{partition: partition}
		}
		delete(known, partition)
		p.lanes = append(p.lanes, l)
	}
	for _, l := range known {
		orphans = append(orphans, l.queue...)
		l.queue, l.bytes, l.desk = nil, 0, nil
	}
	return orphans
}

// deskOf is the desk of a broker; nil while its connection, which has failed, is being closed: it will be asked for again.
// p.mu is held.
func (p *press) deskOf(broker *sarama.Broker) *desk {
	d := p.desks[broker]
	if d == nil {
		d = &desk{broker: broker, wake: make(chan struct{}, 1), over: make(chan struct{})}
		p.desks[broker] = d
		p.driver.drained.Go(func() { p.serve(d) })
	}
	if d.failed {
		return nil
	}
	return d
}

// giveUp gives back what waits for a leader, because the brokers refuse to tell it.
func (p *press) giveUp(err error) {
	p.mu.Lock()
	var all []*flight
	for _, l := range p.lanes {
		if l.desk == nil {
			all = append(all, l.queue...)
			l.queue, l.bytes = nil, 0
		}
	}
	p.mu.Unlock()
	p.giveBack(all, err)
	signal(p.stale)
}

func (p *press) giveBack(all []*flight, err error) {
	for _, f := range all {
		p.driver.returned(&f.message, err)
	}
}
