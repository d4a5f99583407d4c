package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
	"wringer/drivers/expiry"
)

// pendingRecord is one attempt whose record has not been given back.
type pendingRecord struct {
	ref     ref
	message sarama.ProducerMessage
	headers [1]sarama.RecordHeader // memory for the usual single header
	key     bytesEncoder
	value   []byte
	stage   atomic.Uint32

	// at and done belong to the runner. Only the goroutine that sets ended may touch them.
	at    *drivers.Attempt
	done  func()
	ended atomic.Bool

	producer   *producer                    // the producer that sends the record
	begun      time.Duration                // on the run's clock
	size       int                          // the largest size in a batch, in bytes, without compression
	limit      int64                        // the limit of batches when sarama last looked for room for the record
	ctx        context.Context              // ends this attempt and others
	deadline   time.Duration                // of the attempt, on the run's clock; valid if timed
	expiry     expiry.Entry[*pendingRecord] // in pendingRecords.deadlines
	timed      bool                         // the attempt has a deadline
	endedEarly atomic.Bool                  // the attempt ended before sarama gave the record back

	history wireHistory // guarded by pendingRecords.mu; its blind is not used

	transaction *transaction // nil: none
	acked       bool         // the broker acked the record on the wire; history no longer changes. Guarded by pendingRecords.mu
	partition   int32        // the partition that the answer named
	offset      int64        // negative: the answer named no offset
}

// The stages of a pending record. sarama cannot be asked to give a record back. But sarama reads the value when it puts the
// record into a batch, and drops the record if the value cannot be read. (A batcher calls claim directly.) Before this
// point a record can be cancelled, and has certainly not been sent.
const (
	waiting uint32 = iota
	batched
	cancelled
)

// cancel reports whether the record will never be sent.
func (r *pendingRecord) cancel() bool {
	return r.stage.CompareAndSwap(waiting, cancelled) || r.stage.Load() == cancelled
}

// claim notes that the record goes into a batch. It returns false if the record was cancelled before.
func (r *pendingRecord) claim() bool {
	return r.stage.CompareAndSwap(waiting, batched) || r.stage.Load() == batched
}

// valueEncoder is a pending record as the sarama.Encoder of its value.
type valueEncoder pendingRecord

// errCancelled is the error with which sarama gives a cancelled record back. No attempt shows the error: the attempt has
// ended.
type errCancelled struct{}

func (errCancelled) Error() string { return "the attempt is over" }

// Encode implements sarama.Encoder.
func (v *valueEncoder) Encode() ([]byte, error) {
	if (*pendingRecord)(v).claim() {
		return v.value, nil
	}
	return nil, errCancelled{}
}

// Length implements sarama.Encoder. sarama asks for it alone to find room for the record.
func (v *valueEncoder) Length() int {
	r := (*pendingRecord)(v)
	return len(v.value) + r.producer.limit.stretch(r)
}

// bytesEncoder is a sarama.Encoder used by pointer: converting a pointer to an interface allocates nothing.
type bytesEncoder []byte

// Encode implements sarama.Encoder.
func (b *bytesEncoder) Encode() ([]byte, error) { return *b, nil }

// Length implements sarama.Encoder.
func (b *bytesEncoder) Length() int { return len(*b) }

// pendingRecords holds the records that sarama has not given back. Connections note here what they see of each record on
// the wire. Safe for concurrent use.
type pendingRecords struct {
	mu        sync.Mutex
	open      *table
	deadlines *expiry.Queue[*pendingRecord]

	// earlyEnds is closed and replaced when an attempt ends before sarama gave its record back.
	earlyEnds atomic.Pointer[chan struct{}]

	// wired: an attempt is acked when the broker's answer is seen on the wire, not when sarama gives the record back. Set
	// before the first record.
	wired bool

	blind    atomic.Bool
	inFlight atomic.Int64 // attempts whose done has not been called
	idleMu   sync.Mutex
	idle     chan struct{} // closed when inFlight falls to 0; nil if nobody waits
}

func newPendingRecords() *pendingRecords {
	p := &pendingRecords{open: newTable()}
	p.deadlines = expiry.New[*pendingRecord](&p.mu)
	earlyEnds := make(chan struct{})
	p.earlyEnds.Store(&earlyEnds)
	return p
}

// add adds a record before it is handed to sarama.
func (p *pendingRecords) add(r *pendingRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open.put(r)
	if r.timed && !r.endedEarly.Load() {
		p.deadlines.Insert(&r.expiry, r, r.deadline)
	}
}

// remove removes a record that sarama has given back, or never got. It returns the record's wire history.
func (pending *pendingRecords) remove(r *pendingRecord) wireHistory {
	pending.mu.Lock()
	pending.open.drop(r)
	pending.deadlines.Remove(&r.expiry)
	h := r.history
	pending.mu.Unlock()
	h.blind = pending.blind.Load()
	return h
}

// endEarly notes that an attempt ended before sarama gave its record back.
func (p *pendingRecords) endEarly(r *pendingRecord) {
	p.mu.Lock()
	p.deadlines.Remove(&r.expiry)
	r.endedEarly.Store(true)
	p.mu.Unlock()
	next := make(chan struct{})
	close(*p.earlyEnds.Swap(&next)) // each waiting goroutine checks its own record
}

// history returns the wire history of a record so far.
func (pending *pendingRecords) history(r *pendingRecord) wireHistory {
	pending.mu.Lock()
	h := r.history
	pending.mu.Unlock()
	h.blind = pending.blind.Load()
	return h
}

// remaining returns the records that have not been removed.
func (p *pendingRecords) remaining() []*pendingRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open.all()
}

// completed notes that done was called for one attempt.
func (p *pendingRecords) completed() {
	if p.inFlight.Add(-1) > 0 {
		return
	}
	p.idleMu.Lock()
	defer p.idleMu.Unlock()
	if p.idle != nil && p.inFlight.Load() == 0 {
		close(p.idle)
		p.idle = nil
	}
}

// idleSignal returns a channel that is closed once no attempt is in flight. It returns nil if none is.
func (p *pendingRecords) idleSignal() <-chan struct{} {
	p.idleMu.Lock()
	defer p.idleMu.Unlock()
	if p.inFlight.Load() == 0 {
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	return p.idle
}

// transmission is one Produce request that was sent: the records that it held, by partition.
type transmission struct {
	version      int16
	partitions   []partitionRecords
	counter      *brokerCounter
	first, again int64 // records, as in brokerCounter
}

// partitionRecords is the part of a transmission for one partition.
type partitionRecords struct {
	partition int32
	records   []*pendingRecord // in order; nil in place of an unknown record
}

// transmitting counts a transmission of each record, before the first byte is sent.
func (p *pendingRecords) transmitting(version int16, all []partitionRefs, to *brokerCounter, now time.Duration) *transmission {
	t := &transmission{version: version, counter: to, partitions: make([]partitionRecords, len(all))}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range all {
		h := &t.partitions[i]
		h.partition = c.partition
		h.records = make([]*pendingRecord, 0, len(c.refs))
		for _, r := range c.refs {
			record := p.open.get(r)
			h.records = append(h.records, record)
			if record == nil {
				continue
			}
			if record.history.sent == 0 {
				record.history.first = now
				t.first++
			} else {
				t.again++
			}
			record.history.sent++
		}
	}
	to.first.Add(t.first)
	to.again.Add(t.again)
	return t
}

// recall takes back a transmission that failed before its first byte was sent.
func (p *pendingRecords) recall(t *transmission) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range t.partitions {
		for _, r := range h.records {
			if r != nil && !r.acked {
				r.history.sent--
			}
		}
	}
	t.counter.first.Add(-t.first)
	t.counter.again.Add(-t.again)
}

// answer notes the broker's answer to a transmission, before sarama reads it. It returns the records that the broker acked,
// and removes them.
func (p *pendingRecords) answer(t *transmission, answers []partitionAnswer) (acked []*pendingRecord) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range answers {
		for _, h := range t.partitions {
			if h.partition != a.partition {
				continue
			}
			for i, r := range h.records {
				if r == nil || r.acked {
					continue
				}
				r.history.answered++
				r.history.code = a.code
				if a.refused {
					r.history.refused++
				}
				if p.wired && a.acks() {
					p.markAcked(r, a, int64(i))
					acked = append(acked, r)
				}
			}
		}
	}
	return acked
}

// markAcked notes that the broker acked a record, the i-th of its partition. p.mu is held.
func (p *pendingRecords) markAcked(r *pendingRecord, a partitionAnswer, i int64) {
	r.acked, r.partition, r.offset = true, a.partition, -1
	if a.code == 0 && a.offset >= 0 {
		r.offset = a.offset + i
	}
	p.open.drop(r)
	p.deadlines.Remove(&r.expiry)
}
