package integrity

import (
	"fmt"
	"time"

	"wringer/drivers"
	"wringer/reports/pages"
)

// Order is the order that a stream promises.
type Order uint8

const (
	// None: order is not measured.
	None Order = iota
	// Sequential: one producer sends in sequence order, and each scope must show it.
	Sequential
	// RealTime: calls overlap. An operation that was acked before another was sent must show up before the other.
	RealTime
)

// scope holds the operations that are compared with each other: of a key, or of a partition. The first deliveries are compared in the order of observation, each as
// soon as its operation and the ones before it are over. Until then they queue.
type scope struct {
	// top, with tag seq+1: the highest operation so far; in real time, the operation that was sent last. 0: none.
	top uint64
	// mark is the tag of the delivery before; in real time, the time at which top was sent.
	mark int64
	// log is the partition's log, plus 1. 0: not known yet.
	log int32
	// head and tail of the queue are indexes into nodes. 0: none.
	head, tail int32
}

// node is a delivery that waits for the end of its operation, or behind such a delivery.
type node struct {
	seq   uint64
	log   int32
	next  int32
	first bool
}

// order holds the scopes: as many as the highest key, or as there are producers in partitions.
type order struct {
	rule  Order
	keyOf func(seq uint64) uint64
	// producers share the operations that have no key.
	producers uint64
	scopes    []scope
	nodes     []node // nodes[0] is not used
	free      int32
	// queued is the number of nodes in use, at most bound.
	queued, bound int
	// unknown is the reason why order is not fully known; empty when it is.
	unknown string
	// drawn holds the keys of the operations that queued last, each in the place of its number.
	drawn [drawnKeys]drawnKey
}

func (o *order) giveUpOrder(format string, args ...any) {
	if o.unknown == "" {
		o.unknown = fmt.Sprintf(format, args...)
	}
}

// drawnKeys is the number of remembered keys of waiting operations. Looking a key up is cheaper than drawing it again.
const drawnKeys = 1 << 10

// drawnKey is the key of operation tag-1. The zero value belongs to no operation.
type drawnKey struct{ tag, key uint64 }

// scopeOf is the index of the scope that an operation seen in a log belongs to.
func (o *order) scopeOf(seq uint64, log int32) uint64 {
	if o.keyOf != nil {
		return o.keyOf(seq)
	}
	return uint64(log)*o.producers + seq%o.producers
}

func (o *order) scope(n uint64) *scope {
	for uint64(len(o.scopes)) <= n {
		o.scopes = append(o.scopes, scope{})
	}
	return &o.scopes[n]
}

// push queues a delivery. It returns false if there is no room; then nothing is ordered any more.
func (o *order) push(sc *scope, n node) bool {
	if o.queued >= o.bound {
		o.giveUpOrder("more than %d deliveries waited for operations to end", o.bound)
		o.rule, o.scopes, o.nodes, o.queued = None, nil, nil, 0
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
	if sc.tail != 0 {
		o.nodes[sc.tail].next = at
	} else {
		sc.head = at
	}
	sc.tail = at
	o.queued++
	return true
}

// pop takes the head of the queue, which is not empty.
func (o *order) pop(sc *scope) node {
	at := sc.head
	n := o.nodes[at]
	if sc.head = n.next; sc.head == 0 {
		sc.tail = 0
	}
	o.nodes[at].next, o.free = o.free, at
	o.queued--
	return n
}

// inOrder reports whether a delivery that is marked as redelivered takes part in the order. A record without a position that a
// queue hands out again is late because of the queue. If such a record is the first sighting of its operation, its place is not
// known.
func (l *Ledger) inOrder(d *drivers.Delivery, first bool) bool {
	if d.Position.Known {
		return true
	}
	if first {
		l.order.giveUpOrder("an operation was seen only when the queue had handed it out before, and its place in the order is not known")
	}
	return false
}

// observe takes a delivery into the order: at once if its operation is over and no delivery waits before it.
func (l *Ledger) observe(seq uint64, log int32, first bool, s state) {
	o := &l.order
	if o.rule == RealTime && !first {
		return
	}
	if l.forgotten.n > 0 && seq >= l.forgottenFrom {
		o.giveUpOrder("operations were seen too far ahead of what had ended to remember when")
		return
	}
	n := o.scopeOf(seq, log)
	sc := o.scope(n)
	if sc.head == 0 && s != open {
		l.place(sc, seq, log, first, s)
		return
	}
	if o.keyOf != nil {
		o.drawn[seq%drawnKeys] = drawnKey{tag: seq + 1, key: n}
	}
	if o.push(sc, node{seq: seq, log: log, first: first}) && s != open && o.rule == RealTime {
		if r := l.history.find(seq); r != nil {
			r.waits = true
		}
	}
}

// advance orders the deliveries that waited for the end of operation seq, of a stream with keys.
func (l *Ledger) advance(seq uint64, s state) {
	o := &l.order
	d := &o.drawn[seq%drawnKeys]
	k := d.key
	if d.tag != seq+1 {
		k = o.keyOf(seq)
	}
	if k >= uint64(len(o.scopes)) {
		return
	}
	sc := &o.scopes[k]
	if sc.head != 0 && o.nodes[sc.head].seq == seq { // mostly no other delivery waits
		n := o.pop(sc)
		l.place(sc, seq, n.log, n.first, s)
	}
	if sc.head != 0 {
		l.drain(sc, false)
	}
}

// advanceAll orders the deliveries that waited in any scope. last: no operation will end any more, and one that did not end was
// never sent.
func (l *Ledger) advanceAll(last bool) {
	for i := range l.order.scopes {
		if l.order.queued == 0 {
			return
		}
		l.drain(&l.order.scopes[i], last)
	}
}

func (l *Ledger) drain(sc *scope, last bool) {
	for sc.head != 0 {
		s := l.pages.stateOf(l.order.nodes[sc.head].seq)
		if s == open && !last {
			return
		}
		n := l.order.pop(sc)
		l.place(sc, n.seq, n.log, n.first, s)
	}
}

// place compares a delivery at the head of its scope with those before it.
func (l *Ledger) place(sc *scope, seq uint64, log int32, first bool, s state) {
	if !s.sent() {
		return
	}
	if sc.log == 0 {
		sc.log = log + 1
	}
	here := sc.log == log+1
	if !here {
		l.order.giveUpOrder("a key was seen in several partitions")
	}
	if l.order.rule == RealTime {
		l.placeInTime(sc, seq, here, s)
		return
	}
	if !here {
		return
	}
	top := sc.top
	if late, back := sc.follow(seq+1, first); late || back {
		l.disorder(seq, top, late, back)
	}
}

// follow takes the next tag in sequence. late: a higher one was first seen before. back: the one before was higher.
func (sc *scope) follow(tag uint64, first bool) (late, back bool) {
	late, back = first && tag < sc.top, tag < uint64(sc.mark)
	if first && !late {
		sc.top = tag
	}
	sc.mark = int64(tag)
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

// placeInTime looks for an operation that was observed before this one, although it was sent after this one was acked. It looks
// only if the delivery is of its scope's partition. Done is never earlier than the answer, and Sent never later than the
// request. So each finding is true.
func (l *Ledger) placeInTime(sc *scope, seq uint64, here bool, s state) {
	r := l.history.find(seq)
	if r == nil {
		if here {
			l.order.giveUpOrder("the times of an operation were no longer known when it was seen")
		}
		return
	}
	if here && s == acked && sc.top != 0 && r.done < time.Duration(sc.mark) {
		l.overtaken(seq, r.done, sc)
	}
	if here && (sc.top == 0 || int64(r.sent) > sc.mark) {
		sc.top, sc.mark = seq+1, int64(r.sent)
	}
	r.waits = false
	if len(l.history.kept) > 0 {
		l.history.release(seq)
	}
}

// overtaken counts an operation that was acked before another was sent, and first seen after the other.
func (l *Ledger) overtaken(seq uint64, done time.Duration, sc *scope) {
	l.outOfOrder(seq, "acked at %s, before operation %d of its key was sent at %s, yet seen after it",
		moment(done), sc.top-1, moment(time.Duration(sc.mark)))
}

func (l *Ledger) outOfOrder(seq uint64, why string, args ...any) {
	cell := l.pages.cellOf(seq)
	l.cells[cell].violations++
	p, i := l.pages.At(seq)
	pages.Need(&p.late).Set(i)
	if l.evidence.wants(kindOrder, cell) {
		l.addEvidence(kindOrder, cell, seq, fmt.Sprintf(why, args...)+l.config.OrderNote)
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
