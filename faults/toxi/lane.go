package toxi

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

const toxicType = "wringer"

// gate is the one toxic of a direction of a link. It finds its connection by the state that the library asks for while it
// starts one; the link starts one at a time.
type gate struct{ next *lane }

// NewState implements toxics.StatefulToxic.
func (g *gate) NewState() any { return g.next }

// Pipe implements toxics.Toxic. It is never interrupted, because the chain never changes.
func (g *gate) Pipe(stub *toxics.ToxicStub) {
	l := stub.State.(*lane)
	defer l.flow.link.running.Done()
	l.run(stub.Input, stub.Output)
	stub.Close()
}

// lane carries one direction of one connection, and belongs to the goroutine that runs it.
type lane struct {
	flow      *flow
	id        uint64
	direction direction
	reset     atomic.Bool // the source ended with a reset

	queue  []parcel
	waits  int  // bytes in queue
	ended  bool // the source has ended
	holed  bool // bytes were dropped: none may follow them
	jitter *wander
	due    time.Time // when all that was taken in will be delivered, by their delays

	size   int    // bytes of the first parcel that go next
	booked *pacer // where the wire was booked for them
	passed time.Time

	imposed atomic.Int64 // all the time that bytes were made to wait, for the probe
}

// parcel is a chunk on its way, due for delivery at a time, though never before those ahead in the queue; zero: at once.
type parcel struct {
	*stream.StreamChunk
	due time.Time
}

// A lane that holds as much takes in no more, and the sender is slowed down as by a full window. It bounds a connection
// to this much in one latency: 50 MB/s, or 200,000 chunks a second, at 80 ms.
const (
	window        = 4 << 20
	windowParcels = 16 << 10
)

// run carries until the source has ended and all was delivered, or the connection has ended.
func (l *lane) run(in <-chan *stream.StreamChunk, out chan<- *stream.StreamChunk) {
	var timer *time.Timer
	var o *orders
	for {
		o = l.look(o)
		w := &o.ways[l.direction]
		switch {
		case w.drop:
			l.drop()
		case w.cut:
		case l.holed:
			l.flow.abort()
			l.discard(in)
			return
		case l.ended && len(l.queue) == 0:
			return
		}
		var (
			take  = in
			give  chan<- *stream.StreamChunk
			piece *stream.StreamChunk
			tick  <-chan time.Time
		)
		if l.ended || l.waits >= window || len(l.queue) >= windowParcels {
			take = nil
		}
		if len(l.queue) > 0 && !w.cut {
			if wait := l.wait(w); wait > 0 {
				timer = rewind(timer, wait)
				tick = timer.C
			} else {
				give, piece = out, l.piece()
			}
		}
		select {
		case c := <-take:
			o = l.look(o) // orders may have changed while this waited: what is in force counts now
			l.take(c, &o.ways[l.direction])
		case give <- piece:
			l.gave()
		case <-tick:
		case <-o.changed:
		case <-l.flow.ended:
			l.discard(in)
			return
		}
	}
}

// discard takes what still comes until the source, which is closed, has ended too.
func (l *lane) discard(in <-chan *stream.StreamChunk) {
	for !l.ended {
		l.ended = <-in == nil
	}
}

func rewind(t *time.Timer, d time.Duration) *time.Timer {
	if t == nil {
		return time.NewTimer(d)
	}
	t.Reset(d)
	return t
}

// look returns the orders in force. A partition that was not there before is charged with what waits here.
func (l *lane) look(before *orders) *orders {
	o := l.flow.link.orders.Load()
	if o == before || len(l.queue) == 0 && !l.ended {
		return o
	}
	for _, f := range o.ways[l.direction].cutBy {
		if !slices.Contains(before.ways[l.direction].cutBy, f) {
			l.flow.meets([]*Fault{f}, l.waits)
		}
	}
	return o
}

// take takes a chunk in; nil is the end of the source.
func (l *lane) take(c *stream.StreamChunk, w *way) {
	if c == nil {
		l.ended = true
		if !l.flow.over() {
			l.flow.meets(w.cutBy, 0)
		}
		return
	}
	l.flow.meets(w.cutBy, len(c.Data))
	l.flow.meets(w.delayedBy, len(c.Data))
	p := parcel{StreamChunk: c}
	if w.latency > 0 {
		p.due = c.Timestamp.Add(l.delay(w, c.Timestamp))
		if p.due.After(l.due) {
			l.due = p.due
		}
		l.imposed.Add(int64(p.due.Sub(c.Timestamp)))
	}
	l.queue = append(l.queue, p)
	l.waits += len(c.Data)
}

// delay draws the delay of what arrived at now.
func (l *lane) delay(w *way, now time.Time) time.Duration {
	if w.jitter == 0 {
		return w.latency
	}
	if l.jitter == nil {
		l.jitter = newWander(w.seed, l.id, l.direction)
	}
	return w.latency + l.jitter.next(now, w.jitter, !now.Before(l.due))
}

// wait returns how long the next piece has to wait yet, and settles its size.
func (l *lane) wait(w *way) time.Duration {
	first := &l.queue[0]
	l.size = len(first.Data)
	if first.due.IsZero() && w.pacer == nil {
		return 0
	}
	now := time.Now()
	// Healing a latency frees what waits for it: nothing waits longer than what is in force now can ask for.
	due := first.due
	if most := first.Timestamp.Add(w.latency + w.jitter); most.Before(due) {
		due = most
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	if w.pacer == nil {
		return 0
	}
	l.size = w.pacer.piece(len(first.Data))
	if l.booked != w.pacer {
		l.booked, l.passed = w.pacer, w.pacer.book(now, l.size)
		if wait := l.passed.Sub(now); wait >= finestWait {
			l.imposed.Add(int64(wait))
			l.flow.meets(w.pacedBy, l.size)
		}
	}
	if wait := l.passed.Sub(now); wait >= finestWait {
		return wait
	}
	return 0
}

// piece returns what goes next.
func (l *lane) piece() *stream.StreamChunk {
	first := l.queue[0].StreamChunk
	if l.size == len(first.Data) {
		return first
	}
	return &stream.StreamChunk{Data: first.Data[:l.size], Timestamp: first.Timestamp}
}

// gave takes what was delivered off the queue.
func (l *lane) gave() {
	l.booked = nil
	l.waits -= l.size
	first := &l.queue[0]
	if l.size < len(first.Data) {
		rest := *first.StreamChunk
		rest.Data = rest.Data[l.size:]
		first.StreamChunk = &rest
		return
	}
	*first = parcel{}
	l.queue = l.queue[1:]
}

// drop loses what waits.
func (l *lane) drop() {
	if len(l.queue) == 0 {
		return
	}
	l.holed, l.queue, l.waits, l.booked = true, nil, 0, nil
}
