package amqp

import (
	"hash/maphash"
	"sync"

	library "github.com/rabbitmq/amqp091-go"
)

// pageBits is the number of operations in a page of seenAttempts.
const pageBits = 1 << 15

// seenAttempts notes which publishes were delivered: a bit for each operation and attempt.
type seenAttempts struct {
	pages map[ref]*[pageBits / 64]uint64
}

// add notes a publish. It reports whether it was noted before.
func (s *seenAttempts) add(r ref) (again bool) {
	page := ref{r.seq / pageBits, r.attempt}
	bits := s.pages[page]
	if bits == nil {
		if s.pages == nil {
			s.pages = make(map[ref]*[pageBits / 64]uint64)
		}
		bits = new([pageBits / 64]uint64)
		s.pages[page] = bits
	}
	at, bit := r.seq%pageBits/64, uint64(1)<<(r.seq%64)
	again = bits[at]&bit != 0
	bits[at] |= bit
	return again
}

// doubtful are the deliveries that a broker may repeat because the source lost its connection: it had not taken their acks. There
// are at most prefetch of them, because a broker holds no more of a consumer's deliveries unacked. Messages have no identity of
// their own in AMQP, so two equal messages are told apart by how often they came.
//
// The source never acks its last delivery while it reads. A broker gives back all that it holds of a lost connection at once. So
// when that delivery comes again, everything of its connection is back in the queue.
type doubtful struct {
	seed   maphash.Seed
	recent [prefetch]uint64 // hashes of the last deliveries
	next   int
	count  int
	repeat map[uint64]int // hashes of the last deliveries of connections before, and how often each may come again

	mu        sync.Mutex
	losses    int64          // connections that were lost so far
	unsettled int64          // of them those since the broker counted the source's consumer alone
	lasts     map[uint64]int // the last deliveries of these that did not come again
	unknown   int            // those that brought no delivery, and whose end the broker may not have noticed
}

func newDoubtful() *doubtful { return &doubtful{seed: maphash.MakeSeed(), lasts: make(map[uint64]int)} }

func (d *doubtful) hash(m *library.Delivery) uint64 {
	var h maphash.Hash
	h.SetSeed(d.seed)
	for _, text := range []string{m.Exchange, m.RoutingKey, m.MessageId, headerText(m, HeaderID), headerText(m, HeaderAttempt), headerText(m, headerMark)} {
		h.WriteString(text)
		h.WriteByte(0)
	}
	h.Write(m.Body)
	return h.Sum64()
}

// delivered notes a delivery.
func (d *doubtful) delivered(m *library.Delivery) {
	d.recent[d.next] = d.hash(m)
	d.next = (d.next + 1) % len(d.recent)
	d.count = min(d.count+1, len(d.recent))
}

// lost notes that the connection was lost. What was in doubt before still is: the broker may notice the end of a connection late.
// noticed says that it has: it ended the connection itself, or took a farewell.
func (d *doubtful) lost(noticed bool) {
	if d.repeat == nil || len(d.repeat) > maxDoubt {
		d.repeat = make(map[uint64]int)
	}
	for i := range d.count {
		d.repeat[d.recent[i]]++
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.losses++
	d.unsettled++
	switch {
	case d.count > 0:
		d.lasts[d.recent[(d.next+len(d.recent)-1)%len(d.recent)]]++
	case !noticed:
		d.unknown++
	}
	d.next, d.count = 0, 0
}

// maxDoubt bounds the deliveries that are in doubt after many lost connections.
const maxDoubt = 1 << 16

// repeats says whether a delivery that the broker marks as redelivered is one of the source's own before it lost its connection.
func (d *doubtful) repeats(m *library.Delivery) bool {
	if !m.Redelivered || len(d.repeat) == 0 {
		return false
	}
	h := d.hash(m)
	d.cameBack(h)
	return takeOne(d.repeat, h)
}

// cameBack notes a delivery that came again.
func (d *doubtful) cameBack(h uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	takeOne(d.lasts, h)
}

// state is how many connections were lost so far, and how many of them the broker may still count. allBack says whether all that
// was handed out on them is known to be back in the queue.
func (d *doubtful) state() (losses, unsettled int64, allBack bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.losses, d.unsettled, len(d.lasts) == 0 && d.unknown == 0
}

// settle notes that the broker counted the source's open consumer alone, after this many losses.
func (d *doubtful) settle(losses int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.losses == losses {
		d.unsettled, d.unknown = 0, 0
		clear(d.lasts)
	}
}

// takeOne takes one of what is counted; false: there is none.
func takeOne(counted map[uint64]int, h uint64) bool {
	if counted[h] == 0 {
		return false
	}
	if counted[h]--; counted[h] == 0 {
		delete(counted, h)
	}
	return true
}

// headerText is a header's text; empty if there is none.
func headerText(m *library.Delivery, name string) string {
	switch v := m.Headers[name].(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}
