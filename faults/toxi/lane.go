package toxi

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"

	"wringer/faults"
)

const toxicType = "wringer"

// hook is the only toxic of a direction of a link. The library asks it for a state when it starts a connection, and
// so hook finds the connection. The link starts one connection at a time.
type hook struct{ next *lane }

// NewState implements toxics.StatefulToxic.
func (h *hook) NewState() any { return h.next }

// Pipe implements toxics.Toxic. It is never interrupted, because the chain never changes.
func (h *hook) Pipe(stub *toxics.ToxicStub) {
	l := stub.State.(*lane)
	defer l.flow.link.running.Done()
	l.run(stub.Input, stub.Output)
	stub.Close()
	l.discard(stub.Input)
}

// lane carries one direction of one connection. One goroutine runs and owns it.
type lane struct {
	flow      *flow
	direction direction
	bypass    *bypass
	reset     atomic.Bool // the source ended with a reset

	// The rules, and the values that they were made from.
	rules   *laneRules
	active  *activeFaults
	request uint64

	queue   []parcel
	waits   int // bytes in queue
	ended   bool
	over    time.Time // when the source ended
	dropped bool      // bytes were dropped: no later byte may pass

	walks  map[*Fault]*jitterWalk
	random *rand.Rand
	slicer *slicer
	due    time.Time // when all bytes taken so far are due

	size     int    // bytes of the first parcel that go next
	reserved *pacer // the pacer that has time reserved for them
	passed   time.Time
	sliced   bool // a slice limits the piece that goes next, or made it wait

	spentBy   *activeFault // the fault whose limit is being spent, and the bytes spent
	spent     Bytes
	closeRule atomic.Pointer[closeRule] // set when it closes the connection

	totalDelay atomic.Int64 // the sum of all delays of bytes, for the probe
}

// parcel is a queued chunk, or the rest of one.
type parcel struct {
	*stream.StreamChunk
	due     time.Time      // when it may be delivered, after those before it; zero: at once
	sliced  bool           // a slice cut the chunk
	charged []*activeFault // faults that counted these bytes, and do not count them again
}

// A lane that holds as much takes no more bytes. Then the sender is slowed down, as by a full window. For a latency
// of 80 ms this bounds a connection to 50 MB/s, or 200,000 chunks a second.
const (
	window        = 4 << 20
	windowParcels = 16 << 10
)

// run carries bytes until the source has ended and all were delivered, or until the connection has ended.
func (l *lane) run(in <-chan *stream.StreamChunk, out chan<- *stream.StreamChunk) {
	var timer *time.Timer
	for {
		r := l.look()
		if l.applyRules(r) {
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
		wait, ready := l.next(r)
		if ready {
			give, piece = out, l.piece()
		}
		if wait > 0 {
			timer = rewind(timer, wait)
			tick = timer.C
		}
		select {
		case c := <-take:
			l.take(c, l.look()) // look again: the faults may have changed during the wait
		case give <- piece:
			l.sent(r)
		case <-tick:
		case <-l.active.changed:
		case <-l.flow.ended:
			return
		}
	}
}

// applyRules applies the rules that act at once. It reports whether the lane has ended.
func (l *lane) applyRules(r *laneRules) (over bool) {
	switch {
	case r.closeByTime != nil && !time.Now().Before(r.closeByTime.at):
		l.close(r.closeByTime)
		return true
	case r.drop:
		l.drop()
	case r.cut:
	case l.dropped || l.flow.silenced.Load():
		l.flow.abort()
		return true
	case r.closeByBytes != nil && l.spentBy == r.closeByBytes.by && l.spent >= r.closeByBytes.most:
		l.close(r.closeByBytes)
		return true
	case l.ended && len(l.queue) == 0:
		return !l.delaysEnd(r)
	}
	return false
}

// delaysEnd reports whether the end of the source has to wait, and counts the wait.
func (l *lane) delaysEnd(r *laneRules) bool {
	if time.Until(l.over.Add(r.closeDelay)) <= 0 {
		return false
	}
	if !l.flow.over() {
		l.flow.charge(r.closeDelayBy, l.direction, 0)
	}
	return true
}

// close ends the connection for a fault, once the bytes already sent are written.
func (l *lane) close(by *closeRule) {
	l.closeRule.Store(by)
	if !l.flow.over() {
		l.flow.charge([]*activeFault{by.by}, l.direction, 0)
	}
}

// next reports whether a piece can go now. wait is the time until the next look; 0: no look is due.
func (l *lane) next(r *laneRules) (wait time.Duration, ready bool) {
	switch {
	case r.cut:
	case len(l.queue) > 0:
		wait = l.wait(r)
		ready = wait <= 0
	case l.ended:
		wait = max(time.Until(l.over.Add(r.closeDelay)), 1)
	}
	if r.closeByTime != nil {
		if end := max(time.Until(r.closeByTime.at), 1); wait <= 0 || end < wait {
			wait = end
		}
	}
	return wait, ready
}

// discard drains the closed source until it has ended.
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

// look returns the current rules. A new partition counts the bytes that are queued here.
func (l *lane) look() *laneRules {
	a := l.flow.link.active.Load()
	if a == l.active && (!a.byRequest || l.flow.requests.Load() == l.request) {
		return l.rules
	}
	before := l.rules
	l.active, l.request = a, l.flow.requests.Load()
	l.rules = a.compose(l.flow, l.direction, l.request)
	if len(l.queue) > 0 || l.ended {
		l.flow.charge(l.rules.newCutters(before), l.direction, l.waits)
	}
	return l.rules
}

// take takes a chunk; nil is the end of the source.
func (l *lane) take(c *stream.StreamChunk, r *laneRules) {
	if c == nil {
		l.finished(r)
		return
	}
	if len(r.resetBy) > 0 {
		l.flow.charge(r.resetBy, l.direction, len(c.Data))
		l.flow.abort()
		return
	}
	l.flow.shows(r.taps, l.direction, faults.PassedPiece, len(c.Data))
	l.flow.charge(r.meets, l.direction, len(c.Data))
	late, delayed := l.delay(r, c.Timestamp)
	l.flow.charge(delayed, l.direction, len(c.Data))
	if r.loss > 0 {
		l.lose(c, r, late, delayed)
		return
	}
	l.push(c, late, delayed)
}

// finished records the end of the source.
func (l *lane) finished(r *laneRules) {
	l.ended, l.over = true, time.Now()
	if l.flow.over() {
		return
	}
	l.flow.shows(r.taps, l.direction, faults.PassedEnd, 0)
	l.flow.charge(r.cutBy, l.direction, 0)
}

// push queues a chunk with a delay. charged are the faults that counted it.
func (l *lane) push(c *stream.StreamChunk, late time.Duration, charged []*activeFault) {
	p := parcel{StreamChunk: c, charged: charged}
	if late > 0 {
		p.due = c.Timestamp.Add(late)
		l.due = later(l.due, p.due)
		l.totalDelay.Add(int64(late))
	}
	l.queue = append(l.queue, p)
	l.waits += len(c.Data)
}

// chance is the lane's source of random numbers. The same seed gives the same numbers.
func (l *lane) chance() *rand.Rand {
	if l.random == nil {
		var seed uint64
		for _, f := range l.active.faults {
			seed ^= f.seed
		}
		l.random = rand.New(rand.NewPCG(seed, l.flow.id<<1|uint64(l.direction)))
	}
	return l.random
}

// without returns the faults of all that are not among those.
func without(all, those []*activeFault) []*activeFault {
	if len(all) == 0 || len(those) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(f *activeFault) bool { return slices.Contains(those, f) })
}

// wait returns how long the next piece still has to wait, and sets the piece's size.
func (l *lane) wait(r *laneRules) time.Duration {
	first := &l.queue[0]
	l.size = len(first.Data)
	if r.closeByBytes != nil {
		l.size = min(l.size, int(r.closeByBytes.most-l.spentOf(r.closeByBytes)))
	}
	if first.due.IsZero() && r.pacer == nil && r.slice == nil {
		return 0
	}
	now := time.Now()
	// Healing a latency releases its bytes: no bytes wait longer than the current rules allow.
	due := first.due
	if most := first.Timestamp.Add(r.most); most.Before(due) {
		due = most
	}
	if wait := due.Sub(now); wait > 0 {
		return wait
	}
	if r.slice != nil {
		if wait := l.cutUp(r, now); wait > 0 {
			return wait
		}
	}
	if r.pacer != nil {
		return l.pace(r, now)
	}
	return 0
}

// pace limits the piece to what the bandwidth passes in a moment. It returns how long the piece has to wait for its
// turn.
func (l *lane) pace(r *laneRules, now time.Time) time.Duration {
	l.size = r.pacer.piece(l.size)
	if l.reserved != r.pacer {
		l.reserved, l.passed = r.pacer, r.pacer.reserve(now, l.size)
		if wait := l.passed.Sub(now); wait >= finestWait {
			l.totalDelay.Add(int64(wait))
			l.flow.charge(without(r.pacedBy, l.queue[0].charged), l.direction, l.size)
		}
	}
	if wait := l.passed.Sub(now); wait >= finestWait {
		return wait
	}
	return 0
}

// spentOf returns how many bytes of a limit are spent.
func (l *lane) spentOf(r *closeRule) Bytes {
	if l.spentBy != r.by {
		l.spentBy, l.spent = r.by, 0
	}
	return l.spent
}

// piece returns the next piece.
func (l *lane) piece() *stream.StreamChunk {
	first := l.queue[0].StreamChunk
	if l.size == len(first.Data) {
		return first
	}
	return &stream.StreamChunk{Data: first.Data[:l.size], Timestamp: first.Timestamp}
}

// sent removes the delivered piece from the queue.
func (l *lane) sent(r *laneRules) {
	l.reserved = nil
	l.waits -= l.size
	if r.closeByBytes != nil {
		l.spent += Bytes(l.size)
	}
	first := &l.queue[0]
	if r.slice != nil {
		l.slicer.sent(r.slice, time.Now())
		if first.sliced || l.sliced {
			l.flow.charge(without(r.slicedBy, first.charged), l.direction, l.size)
		}
	}
	if l.size < len(first.Data) {
		first.sliced = first.sliced || l.sliced
		l.sliced = false
		rest := *first.StreamChunk
		rest.Data = rest.Data[l.size:]
		first.StreamChunk = &rest
		return
	}
	l.sliced = false
	*first = parcel{}
	l.queue = l.queue[1:]
}

// drop loses the queued bytes.
func (l *lane) drop() {
	if len(l.queue) == 0 {
		return
	}
	l.dropped, l.queue, l.waits, l.reserved = true, nil, 0, nil
}
