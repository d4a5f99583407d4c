package kafka

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"

	"wringer/drivers"
)

// flight is one attempt on its way through sarama.
type pendingRecord struct {
	ref     ref
	message sarama.ProducerMessage
	headers [1]sarama.RecordHeader // room for the usual one
	key     bytesEncoder
	value   []byte
	stage   atomic.Uint32

	// at and done belong to the runner: they are touched by the one who wins over.
	at    *drivers.Attempt
	done  func()
	ended atomic.Bool

	producer   *producer       // where it goes
	begun      time.Duration   // on the run's clock
	size       int             // bytes in a batch, at most; of those that a press takes
	ctx        context.Context // ends the attempt, with others
	deadline   time.Duration   // of the attempt, on the run's clock; where it has one
	prev, next *pendingRecord  // in flights.queue, guarded by flights.mu as queued is
	queued     bool
	timed      bool        // it has a deadline
	endedEarly atomic.Bool // the attempt is over, though sarama has not given the record back

	history wireHistory // guarded by flights.mu; its blind is not used

	transaction *transaction // nil: none
	acked       bool         // by a broker's answer on the wire; its passage does not change any more. Guarded by flights.mu
	partition   int32        // where the answer placed it
	offset      int64        // negative: it named no place
}

// The stages of a flight. sarama can't be asked to give a record back, but it reads the record's value when it puts the
// record into a batch, and a value that can't be read is the end of the record. (A press asks in so many words.) That is the
// point of no return: before it a flight can be withdrawn, and has surely not been sent.
const (
	waiting uint32 = iota
	batched
	cancelled
)

// withdraw reports whether the record will surely never be sent.
func (r *pendingRecord) cancel() bool {
	return r.stage.CompareAndSwap(waiting, cancelled) || r.stage.Load() == cancelled
}

// enlist notes that the record is put into a batch, and reports false when it was withdrawn before.
func (r *pendingRecord) claim() bool {
	return r.stage.CompareAndSwap(waiting, batched) || r.stage.Load() == batched
}

// valueEncoder is a flight as the sarama.Encoder of its value.
type valueEncoder pendingRecord

// errWithdrawn is what sarama gives a withdrawn record back with. Nobody sees it: the attempt is over.
type errCancelled struct{}

func (errCancelled) Error() string { return "the attempt is over" }

// Encode implements sarama.Encoder.
func (v *valueEncoder) Encode() ([]byte, error) {
	if (*pendingRecord)(v).claim() {
		return v.value, nil
	}
	return nil, errCancelled{}
}

// Length implements sarama.Encoder.
func (v *valueEncoder) Length() int { return len(v.value) }

// bytesEncoder is a sarama.Encoder that is used by pointer, so that making one an interface allocates nothing.
type bytesEncoder []byte

// Encode implements sarama.Encoder.
func (b *bytesEncoder) Encode() ([]byte, error) { return *b, nil }

// Length implements sarama.Encoder.
func (b *bytesEncoder) Length() int { return len(*b) }

// flights are the attempts that sarama has not given back, by what their records carry. It is where the connections note
// what they see of them. Safe for concurrent use.
type pendingRecords struct {
	mu        sync.Mutex
	open      *table
	deadlines deadlineQueue
	// wakeAt is when due will be asked next, 0 when it will not. sooner tells that this is too late.
	wakeAt time.Duration
	sooner chan struct{}

	// departures is closed, and made anew, when a flight has departed.
	earlyEnds atomic.Pointer[chan struct{}]

	// wired: an attempt is acked as soon as the broker's answer is seen, and not when sarama gives the record back. Set
	// before the first flight.
	wired bool

	blind    atomic.Bool
	inFlight atomic.Int64 // attempts whose done has not been called
	idleMu   sync.Mutex
	idle     chan struct{} // closed when inFlight falls to 0; nil when nobody waits
}

func newPendingRecords() *pendingRecords {
	p := &pendingRecords{open: newTable(), sooner: make(chan struct{}, 1)}
	earlyEnds := make(chan struct{})
	p.earlyEnds.Store(&earlyEnds)
	return p
}

// enter adds a flight before it is handed to sarama.
func (p *pendingRecords) add(r *pendingRecord) {
	p.mu.Lock()
	p.open.put(r)
	sooner := false
	if r.timed && !r.endedEarly.Load() {
		p.deadlines.insert(r)
		if sooner = p.wakeAt == 0 || r.deadline < p.wakeAt; sooner {
			p.wakeAt = r.deadline
		}
	}
	p.mu.Unlock()
	if sooner {
		select {
		case p.sooner <- struct{}{}:
		default: // it will be looked at then
		}
	}
}

// leave removes a flight that sarama has given back, or never got, and returns what became of it on the wire.
func (pending *pendingRecords) remove(r *pendingRecord) wireHistory {
	pending.mu.Lock()
	pending.open.drop(r)
	pending.deadlines.remove(r)
	h := r.history
	pending.mu.Unlock()
	h.blind = pending.blind.Load()
	return h
}

// depart notes that an attempt is over before sarama has given its record back.
func (p *pendingRecords) endEarly(r *pendingRecord) {
	p.mu.Lock()
	p.deadlines.remove(r)
	r.endedEarly.Store(true)
	p.mu.Unlock()
	next := make(chan struct{})
	close(*p.earlyEnds.Swap(&next)) // whoever waits looks whether it was his
}

// look returns what became of a flight on the wire so far.
func (pending *pendingRecords) history(r *pendingRecord) wireHistory {
	pending.mu.Lock()
	h := r.history
	pending.mu.Unlock()
	h.blind = pending.blind.Load()
	return h
}

// remaining returns the flights that are still open.
func (p *pendingRecords) remaining() []*pendingRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open.all()
}

// landed notes that done was called for one attempt.
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

// idleSignal returns a channel that is closed once no attempt is under way; nil when none is.
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

// transmission is one Produce request that left: for each partition the flights whose records it held.
type transmission struct {
	version      int16
	partitions   []partitionRecords
	counter      *brokerCounter
	first, again int64 // records, as wire counts them
}

// held is the part of a transmission that is for one partition.
type partitionRecords struct {
	partition int32
	records   []*pendingRecord // in their order; nil in place of those that are not known
}

// departing counts a transmission of each record, before its first byte leaves.
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

// recall takes a transmission back of which no byte left.
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

// answer notes what the broker said to a transmission, before sarama hears of it, and returns the flights that it acked,
// which are no longer open then.
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

// land notes that the broker acked a flight, the i-th of its partition. s.mu is held.
func (p *pendingRecords) markAcked(r *pendingRecord, a partitionAnswer, i int64) {
	r.acked, r.partition, r.offset = true, a.partition, -1
	if a.code == 0 && a.offset >= 0 {
		r.offset = a.offset + i
	}
	p.open.drop(r)
	p.deadlines.remove(r)
}
