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
type flight struct {
	ref     ref
	message sarama.ProducerMessage
	headers [1]sarama.RecordHeader // room for the usual one
	key     bytesEncoder
	value   []byte
	stage   atomic.Uint32

	// at and done belong to the runner: they are touched by the one who wins over.
	at   *drivers.Attempt
	done func()
	over atomic.Bool

	line       *line           // where it goes
	begun      time.Duration   // on the run's clock
	size       int             // bytes in a batch, at most; of those that a press takes
	ctx        context.Context // ends the attempt, with others
	deadline   time.Duration   // of the attempt, on the run's clock; where it has one
	prev, next *flight         // in flights.queue, guarded by flights.mu as queued is
	queued     bool
	timed      bool        // it has a deadline
	departed   atomic.Bool // the attempt is over, though sarama has not given the record back

	passage passage // guarded by flights.mu; its blind is not used

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
	withdrawn
)

// withdraw reports whether the record will surely never be sent.
func (f *flight) withdraw() bool {
	return f.stage.CompareAndSwap(waiting, withdrawn) || f.stage.Load() == withdrawn
}

// enlist notes that the record is put into a batch, and reports false when it was withdrawn before.
func (f *flight) enlist() bool {
	return f.stage.CompareAndSwap(waiting, batched) || f.stage.Load() == batched
}

// valueEncoder is a flight as the sarama.Encoder of its value.
type valueEncoder flight

// errWithdrawn is what sarama gives a withdrawn record back with. Nobody sees it: the attempt is over.
type errWithdrawn struct{}

func (errWithdrawn) Error() string { return "the attempt is over" }

// Encode implements sarama.Encoder.
func (v *valueEncoder) Encode() ([]byte, error) {
	if (*flight)(v).enlist() {
		return v.value, nil
	}
	return nil, errWithdrawn{}
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
type flights struct {
	mu    sync.Mutex
	open  *table
	queue queue
	// wakeAt is when due will be asked next, 0 when it will not. sooner tells that this is too late.
	wakeAt time.Duration
	sooner chan struct{}

	// departures is closed, and made anew, when a flight has departed.
	departures atomic.Pointer[chan struct{}]

	// wired: an attempt is acked as soon as the broker's answer is seen, and not when sarama gives the record back. Set
	// before the first flight.
	wired bool

	blind    atomic.Bool
	inFlight atomic.Int64 // attempts whose done has not been called
	idleMu   sync.Mutex
	idle     chan struct{} // closed when inFlight falls to 0; nil when nobody waits
}

func newFlights() *flights {
	s := &flights{open: newTable(), sooner: make(chan struct{}, 1)}
	departures := make(chan struct{})
	s.departures.Store(&departures)
	return s
}

// enter adds a flight before it is handed to sarama.
func (s *flights) enter(f *flight) {
	s.mu.Lock()
	s.open.put(f)
	sooner := false
	if f.timed && !f.departed.Load() {
		s.queue.insert(f)
		if sooner = s.wakeAt == 0 || f.deadline < s.wakeAt; sooner {
			s.wakeAt = f.deadline
		}
	}
	s.mu.Unlock()
	if sooner {
		select {
		case s.sooner <- struct{}{}:
		default: // it will be looked at then
		}
	}
}

// leave removes a flight that sarama has given back, or never got, and returns what became of it on the wire.
func (s *flights) leave(f *flight) passage {
	s.mu.Lock()
	s.open.drop(f)
	s.queue.remove(f)
	p := f.passage
	s.mu.Unlock()
	p.blind = s.blind.Load()
	return p
}

// depart notes that an attempt is over before sarama has given its record back.
func (s *flights) depart(f *flight) {
	s.mu.Lock()
	s.queue.remove(f)
	f.departed.Store(true)
	s.mu.Unlock()
	next := make(chan struct{})
	close(*s.departures.Swap(&next)) // whoever waits looks whether it was his
}

// look returns what became of a flight on the wire so far.
func (s *flights) look(f *flight) passage {
	s.mu.Lock()
	p := f.passage
	s.mu.Unlock()
	p.blind = s.blind.Load()
	return p
}

// remaining returns the flights that are still open.
func (s *flights) remaining() []*flight {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open.all()
}

// landed notes that done was called for one attempt.
func (s *flights) landed() {
	if s.inFlight.Add(-1) > 0 {
		return
	}
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	if s.idle != nil && s.inFlight.Load() == 0 {
		close(s.idle)
		s.idle = nil
	}
}

// idleSignal returns a channel that is closed once no attempt is under way; nil when none is.
func (s *flights) idleSignal() <-chan struct{} {
	s.idleMu.Lock()
	defer s.idleMu.Unlock()
	if s.inFlight.Load() == 0 {
		return nil
	}
	if s.idle == nil {
		s.idle = make(chan struct{})
	}
	return s.idle
}

// transmission is one Produce request that left: for each partition the flights whose records it held.
type transmission struct {
	version      int16
	partitions   []held
	wire         *wire
	first, again int64 // records, as wire counts them
}

// held is the part of a transmission that is for one partition.
type held struct {
	partition int32
	flights   []*flight // in their order; nil in place of those that are not known
}

// departing counts a transmission of each record, before its first byte leaves.
func (s *flights) departing(version int16, all []carried, to *wire, now time.Duration) *transmission {
	t := &transmission{version: version, wire: to, partitions: make([]held, len(all))}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range all {
		h := &t.partitions[i]
		h.partition = c.partition
		h.flights = make([]*flight, 0, len(c.refs))
		for _, r := range c.refs {
			f := s.open.get(r)
			h.flights = append(h.flights, f)
			if f == nil {
				continue
			}
			if f.passage.sent == 0 {
				f.passage.first = now
				t.first++
			} else {
				t.again++
			}
			f.passage.sent++
		}
	}
	to.first.Add(t.first)
	to.again.Add(t.again)
	return t
}

// recall takes a transmission back of which no byte left.
func (s *flights) recall(t *transmission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range t.partitions {
		for _, f := range h.flights {
			if f != nil && !f.acked {
				f.passage.sent--
			}
		}
	}
	t.wire.first.Add(-t.first)
	t.wire.again.Add(-t.again)
}

// answer notes what the broker said to a transmission, before sarama hears of it, and returns the flights that it acked,
// which are no longer open then.
func (s *flights) answer(t *transmission, verdicts []verdict) (acked []*flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range verdicts {
		for _, h := range t.partitions {
			if h.partition != v.partition {
				continue
			}
			for i, f := range h.flights {
				if f == nil || f.acked {
					continue
				}
				f.passage.answered++
				f.passage.code = v.code
				if v.refused {
					f.passage.refused++
				}
				if s.wired && v.acks() {
					s.land(f, v, int64(i))
					acked = append(acked, f)
				}
			}
		}
	}
	return acked
}

// land notes that the broker acked a flight, the i-th of its partition. s.mu is held.
func (s *flights) land(f *flight, v verdict, i int64) {
	f.acked, f.partition, f.offset = true, v.partition, -1
	if v.code == 0 && v.offset >= 0 {
		f.offset = v.offset + i
	}
	s.open.drop(f)
	s.queue.remove(f)
}
