package integrity

import (
	"fmt"
	"time"

	"wringer/drivers"
)

// Order says which order a stream promises.
type Order uint8

const (
	// None: order is not measured.
	None Order = iota
	// Sequential: one producer sends in sequence order, and each scope must show it.
	Sequential
	// RealTime: calls run side by side, and what was acked before another was sent must show up before it.
	RealTime
)

// lane is one scope of the order: a key, or a partition. Its first deliveries are compared in the order in which they
// were observed, each as soon as its operation and those before it are over; until then they queue.
type lane struct {
	// top, with tag seq+1: the highest operation so far; in real time, the one that was sent last. 0: none.
	top uint64
	// mark is the tag of the delivery before; in real time, when top was sent.
	mark int64
	// home is the log, plus 1, that the lane lives in. 0: not known yet.
	home int32
	// head and tail of the queue are indexes into nodes. 0: none.
	head, tail int32
}

// node is a delivery that waits for the end of its operation, or behind one that does.
type node struct {
	seq   uint64
	log   int32
	next  int32
	first bool
}

// order holds the lanes, as many as the highest key, or as there are producers in partitions.
type order struct {
	rule  Order
	keyOf func(seq uint64) uint64
	// producers share the operations that have no key.
	producers uint64
	lanes     []lane
	nodes     []node // nodes[0] is not used
	free      int32
	// queued is the number of nodes in use, at most bound.
	queued, bound int
	// unknown says why order is not fully known; empty when it is.
	unknown string
	// drawn holds the keys of those that queued last, each in the place of its number.
	drawn [drawnKeys]drawnKey
}

func (o *order) giveUpOrder(format string, args ...any) {
	if o.unknown == "" {
		o.unknown = fmt.Sprintf(format, args...)
	}
}

// drawnKeys is how many keys of operations that wait are remembered: to look one up takes less than to draw it again.
const drawnKeys = 1 << 10

// drawnKey is the key of operation tag-1. The zero value is nobody's.
type drawnKey struct{ tag, key uint64 }

// laneOf is the index of the lane that an operation seen in a log belongs to.
func (o *order) laneOf(seq uint64, log int32) uint64 {
	if o.keyOf != nil {
		return o.keyOf(seq)
	}
	return uint64(log)*o.producers + seq%o.producers
}

func (o *order) lane(n uint64) *lane {
	for uint64(len(o.lanes)) <= n {
		o.lanes = append(o.lanes, lane{})
	}
	return &o.lanes[n]
}

// push queues a delivery. false: there is no room, and nothing is ordered any more.
func (o *order) push(la *lane, n node) bool {
	if o.queued >= o.bound {
		o.giveUpOrder("more than %d deliveries waited for operations to end", o.bound)
		o.rule, o.lanes, o.nodes, o.queued = None, nil, nil, 0
		return false
	}
	at := o.free
	if at != 0 {
		o.free = o.nodes[at].next
	} else {
		if len(o.nodes) == 0 {
			o.nodes = append(o.nodes, node{})
		}
		at = int32(len(o.nodes))
		o.nodes = append(o.nodes, node{})
	}
	o.nodes[at] = n
	if la.tail != 0 {
		o.nodes[la.tail].next = at
	} else {
		la.head = at
	}
	la.tail = at
	o.queued++
	return true
}

// pop takes the head of the queue, which is not empty.
func (o *order) pop(la *lane) node {
	at := la.head
	n := o.nodes[at]
	if la.head = n.next; la.head == 0 {
		la.tail = 0
	}
	o.nodes[at].next, o.free = o.free, at
	o.queued--
	return n
}

// inOrder says whether a delivery that is marked as redelivered takes part in the order. A record without a position that a queue hands out again comes late
// by the queue's doing. When it is the first that was seen of its operation, nobody knows where it stood.
func (l *Ledger) inOrder(d *drivers.Delivery, first bool) bool {
	if d.Position.Known {
		return true
	}
	if first {
		l.order.giveUpOrder("an operation was seen only when the queue had handed it out before, and its place in the order is not known")
	}
	return false
}

// observe takes a delivery into the order: at once when its operation is over and nothing waits before it.
func (l *Ledger) observe(seq uint64, log int32, first bool, s state) {
	o := &l.order
	if o.rule == RealTime && !first {
		return
	}
	if l.forgotten.n > 0 && seq >= l.forgottenFrom {
		o.giveUpOrder("operations were seen too far ahead of what had ended to remember when")
		return
	}
	n := o.laneOf(seq, log)
	la := o.lane(n)
	if la.head == 0 && s != open {
		l.place(la, seq, log, first, s)
		return
	}
	if o.keyOf != nil {
		o.drawn[seq%drawnKeys] = drawnKey{tag: seq + 1, key: n}
	}
	if o.push(la, node{seq: seq, log: log, first: first}) && s != open && o.rule == RealTime {
		if r := l.history.find(seq); r != nil {
			r.waits = true
		}
	}
}

// advance orders what waited for the end of operation seq, of a stream with keys.
func (l *Ledger) advance(seq uint64, s state) {
	o := &l.order
	d := &o.drawn[seq%drawnKeys]
	k := d.key
	if d.tag != seq+1 {
		k = o.keyOf(seq)
	}
	if k >= uint64(len(o.lanes)) {
		return
	}
	la := &o.lanes[k]
	if la.head != 0 && o.nodes[la.head].seq == seq { // mostly it waits for nobody else
		n := o.pop(la)
		l.place(la, seq, n.log, n.first, s)
	}
	if la.head != 0 {
		l.drain(la, false)
	}
}

// advanceAll orders what waited in any lane. last: nothing more will end, and what did not was never sent.
func (l *Ledger) advanceAll(last bool) {
	for i := range l.order.lanes {
		if l.order.queued == 0 {
			return
		}
		l.drain(&l.order.lanes[i], last)
	}
}

func (l *Ledger) drain(la *lane, last bool) {
	for la.head != 0 {
		s := l.pages.stateOf(l.order.nodes[la.head].seq)
		if s == open && !last {
			return
		}
		n := l.order.pop(la)
		l.place(la, n.seq, n.log, n.first, s)
	}
}

// place compares one delivery, whose turn it is, with those before it in its lane.
func (l *Ledger) place(la *lane, seq uint64, log int32, first bool, s state) {
	if !s.sent() {
		return
	}
	if la.home == 0 {
		la.home = log + 1
	}
	here := la.home == log+1
	if !here {
		l.order.giveUpOrder("a key was seen in several partitions")
	}
	if l.order.rule == RealTime {
		l.placeInTime(la, seq, here, s)
		return
	}
	if !here {
		return
	}
	top := la.top
	if late, back := la.follow(seq+1, first); late || back {
		l.disorder(seq, top, late, back)
	}
}

// follow takes the next tag in sequence: late if a higher one was first seen before, back if the one before was higher.
func (la *lane) follow(tag uint64, first bool) (late, back bool) {
	late, back = first && tag < la.top, tag < uint64(la.mark)
	if first && !late {
		la.top = tag
	}
	la.mark = int64(tag)
	return late, back
}

// disorder counts an operation that was seen out of sequence; top is the highest tag before.
func (l *Ledger) disorder(seq, top uint64, late, back bool) {
	if late {
		l.outOfOrder(seq, "first seen after operation %d of its %s, which was sent later", top-1, l.scope())
	}
	if back {
		l.cells[l.pages.cellOf(seq)].regressions++
	}
}

// placeInTime looks, if the delivery is one of its lane's home, for an operation that was observed before this one although
// it was sent after this one was acked. Done is never earlier than the answer, and Sent never later than the request: what it
// finds is so.
func (l *Ledger) placeInTime(la *lane, seq uint64, here bool, s state) {
	r := l.history.find(seq)
	if r == nil {
		if here {
			l.order.giveUpOrder("the times of an operation were no longer known when it was seen")
		}
		return
	}
	if here && s == acked && la.top != 0 && r.done < time.Duration(la.mark) {
		l.overtaken(seq, r.done, la)
	}
	if here && (la.top == 0 || int64(r.sent) > la.mark) {
		la.top, la.mark = seq+1, int64(r.sent)
	}
	r.waits = false
	if len(l.history.kept) > 0 {
		l.history.release(seq)
	}
}

// overtaken counts an operation that was acked before another was sent, and first seen after it.
func (l *Ledger) overtaken(seq uint64, done time.Duration, la *lane) {
	l.outOfOrder(seq, "acked at %s, before operation %d of its key was sent at %s, yet seen after it",
		moment(done), la.top-1, moment(time.Duration(la.mark)))
}

func (l *Ledger) outOfOrder(seq uint64, why string, args ...any) {
	cell := l.pages.cellOf(seq)
	l.cells[cell].violations++
	if l.evidence.wants(kindOrder, cell) {
		l.addEvidence(kindOrder, cell, seq, fmt.Sprintf(why, args...))
	}
}

func (l *Ledger) scope() string {
	if l.order.keyOf == nil {
		if l.order.producers > 1 {
			return "producer and partition"
		}
		return "partition"
	}
	return "key"
}
