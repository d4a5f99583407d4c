package amqp

import (
	"hash/maphash"
	"sync"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// ledger numbers the messages that a group works on. AMQP gives messages of a queue no positions. So the reader's tap numbers its
// copies as they come. The group's copies are found by what they hold. Equal messages are told apart by how many there are: the
// order in which they are worked on makes no difference. A group may be faster than the reader; its work then waits for the number.
// Safe for concurrent use.
type ledger struct {
	seed maphash.Seed
	emit func(drivers.GroupEvent)

	mu    sync.Mutex
	next  int64 // the number of the next message
	known map[uint64]*copies
	idle  int64 // messages that the reader found and nobody worked on
	full  bool
}

// copies are equal messages.
type copies struct {
	numbers []int64 // of those that the reader found
	worked  int     // how many of them were worked on
	early   []drivers.GroupEvent
	repeats int // times that one of them was handed out again
}

// maxLedger bounds the messages that a ledger tells apart. Beyond it nothing is concluded about the group.
const maxLedger = 2 << 20

func newLedger() *ledger { return &ledger{seed: maphash.MakeSeed(), known: make(map[uint64]*copies)} }

// begin says where the group's work is told. Called before any.
func (l *ledger) begin(emit func(drivers.GroupEvent)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit = emit
}

// hash tells messages apart. The routing key and the exchange are left out: a dead letter has others.
func (l *ledger) hash(m *library.Delivery) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	for _, text := range []string{m.MessageId, headerText(m, HeaderID), headerText(m, HeaderAttempt)} {
		h.WriteString(text)
		h.WriteByte(0)
	}
	h.Write(m.Body)
	return h.Sum64()
}

// of returns the copies of a message. mu is held.
func (l *ledger) of(h uint64) *copies {
	c := l.known[h]
	if c == nil {
		c = &copies{}
		l.known[h] = c
	}
	return c
}

// found numbers a message that the reader found.
func (l *ledger) found(m *library.Delivery) drivers.Position {
	h := l.hash(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full = l.full || len(l.known) >= maxLedger; l.full {
		return drivers.Position{}
	}
	n := l.next
	l.next++
	c := l.of(h)
	c.numbers = append(c.numbers, n)
	if len(c.early) == 0 {
		l.idle++
	} else {
		event := c.early[0]
		c.early = c.early[1:]
		c.worked++
		event.Position = drivers.PositionIn(0, n)
		l.emit(event)
	}
	return drivers.PositionIn(0, n)
}

// processed notes that a member has worked on a message. The broker may have handed it out before. Then it is work on the same
// message again, if all equal messages were worked on.
func (l *ledger) processed(m *library.Delivery, event drivers.GroupEvent) {
	h := l.hash(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		l.emit(event) // its position is not known
		return
	}
	c := l.of(h)
	switch {
	case c.worked < len(c.numbers):
		event.Position = drivers.PositionIn(0, c.numbers[c.worked])
		c.worked++
		l.idle--
	case m.Redelivered && c.worked > 0:
		event.Position = drivers.PositionIn(0, c.numbers[c.worked-1])
	default: // the reader has not found it yet
		if len(c.early) < maxEarly {
			c.early = append(c.early, event)
		}
		return
	}
	l.emit(event)
}

// maxEarly bounds the work on equal messages that waits for the reader.
const maxEarly = 1 << 10

// again counts that a message was handed out again. It returns how often that was so.
func (l *ledger) again(m *library.Delivery) int {
	h := l.hash(m)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return 0
	}
	c := l.of(h)
	c.repeats++
	return c.repeats
}

// allWorked says whether the group has worked on every message that the reader found.
func (l *ledger) allWorked() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle == 0 && !l.full
}

// end is the number behind the last message.
func (l *ledger) end() (next int64, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next, !l.full
}
