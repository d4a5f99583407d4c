// Package reply makes a request-reply stream of a driver that publishes: an operation is acked when its reply came.
//
// Each request carries the identity of its operation as correlation id, in all of its attempts. So a reply to an earlier attempt
// answers the operation too. More replies than transmissions are counted as twice.
package reply

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"wringer/drivers"
)

// Publisher is a driver that publishes requests.
type Publisher interface {
	drivers.Driver
	drivers.Pipeline
	drivers.Gauger
	drivers.Verifier
	drivers.Producers
	drivers.Peers
}

// Inbox is where the replies come. It reads when it is handed over: no later reply is missed.
type Inbox interface {
	// Receive delivers replies until ctx ends, and then returns nil. deliver is called from one goroutine at a time, and does not
	// keep the slices of the Reply. Receive reconnects by itself. An error means that no more replies are read.
	Receive(ctx context.Context, deliver func(*Reply)) error
	// Close frees everything. Receive must have returned.
	Close() error
}

// Reply is one reply.
type Reply struct {
	Correlation []byte // nil: it has none
	Body        []byte
	At          time.Duration // when it arrived, on the run's clock
	// Anew says that this is no reply: all that came before may come once more.
	Anew bool
}

// Describe adds what a Driver tells beside its publisher.
func Describe(d *drivers.Description) {
	d.Gauges = append(d.Gauges, "awaiting_reply", "replies_late")
	anomalies := []string{"replies_foreign", "replies_misdirected", "replies_twice"}
	d.Gauges, d.Anomalies = append(d.Gauges, anomalies...), append(d.Anomalies, anomalies...)
	d.Counters = append(append(d.Counters, "replies_late"), anomalies...)
}

// Driver sends requests by its publisher and awaits their replies. Its methods are safe for concurrent use.
//
// An attempt whose publish was refused, returned, nacked or broken off ends at once with that outcome. One that was published ends
// with its reply, or at its time without one: indeterminate.
type Driver struct {
	Publisher
	inbox  Inbox
	env    drivers.Env
	judge  *judge // of the receiving goroutine
	reader drivers.IdentityReader
	cancel context.CancelFunc
	ended  sync.WaitGroup

	mu       sync.Mutex
	waits    map[uint64]*wait // that have not ended
	inFlight int              // attempts that were not handed back
	history  history
	counts   counts
	tell     func(*drivers.Stray) // nil: nobody asks
	failed   error                // why no replies are read any more
	idle     chan struct{}        // closed when inFlight falls to 0; nil if nobody waits
}

// counts are those of replies that answered nothing, or something else.
type counts struct{ foreign, late, misdirected, twice int64 }

// wait is one attempt in flight. Driver.mu guards it.
type wait struct {
	seq       uint64
	ctx       context.Context
	at        *drivers.Attempt // the publisher's until published
	done      func()
	published bool
	over      bool        // it has its outcome
	answer    *answer     // came before the outcome of the publish was known; nil: none
	timer     *time.Timer // of the deadline; nil: none
	stop      func() bool // ends the watch over ctx
}

// answer is a reply that was taken.
type answer struct {
	at   time.Duration
	size int64
	why  string // what is wrong with it; empty: nothing
}

// Open returns a driver that owns publisher and inbox. With an error, both are closed.
func Open(publisher Publisher, inbox Inbox, fields Fields, env drivers.Env) (*Driver, error) {
	j, err := fields.open(env)
	if err != nil {
		_ = publisher.Close() // nothing was sent
		_ = inbox.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	d := &Driver{Publisher: publisher, inbox: inbox, env: env, judge: j, reader: env.Identity.Reader(), cancel: cancel, waits: make(map[uint64]*wait)}
	d.ended.Go(func() {
		if err := inbox.Receive(ctx, d.receive); err != nil {
			env.Log.Error("no more replies are read: every later request goes unanswered", "stream", env.Stream, "error", err)
			d.mu.Lock()
			d.failed = err
			d.mu.Unlock()
		}
	})
	return d, nil
}

// Send implements drivers.Pipeline.
func (d *Driver) Send(ctx context.Context, op *drivers.Op, at *drivers.Attempt, done func()) {
	w := &wait{seq: op.Seq, ctx: ctx, at: at, done: done}
	d.mu.Lock()
	d.waits[w.seq] = w
	d.inFlight++
	d.history.send(w.seq)
	d.mu.Unlock()
	d.Publisher.Send(ctx, op, at, func() { d.published(w) })
}

// published takes the outcome of the publish.
func (d *Driver) published(w *wait) {
	defer d.handBack(w)
	d.mu.Lock()
	defer d.mu.Unlock()
	w.published = true
	switch {
	case w.answer != nil && w.at.Wire:
		d.answered(w)
	case w.answer != nil: // to an earlier attempt: this one never left
		d.counts.late++
		d.astray(&drivers.Stray{Kind: drivers.StrayLate, Seq: w.seq, At: w.answer.at, Why: "a reply came to an earlier attempt, while one that never left was under way"})
		d.end(w)
	case w.at.Outcome != drivers.Acked:
		d.end(w)
	case w.ctx.Err() != nil:
		d.unanswered(w, w.ctx.Err())
	default:
		if w.at.Timeout > 0 {
			w.timer = time.AfterFunc(w.at.Begun+w.at.Timeout-d.env.Clock(), func() { d.expire(w, context.DeadlineExceeded) })
		}
		w.stop = context.AfterFunc(w.ctx, func() { d.expire(w, w.ctx.Err()) })
	}
}

// receive takes a reply.
func (d *Driver) receive(r *Reply) {
	if r.Anew {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.history.anew()
		d.counts = counts{}
		d.astray(nil)
		return
	}
	seq, whose := d.reader.Parse(r.Correlation)
	why, misdirected := "", false
	if whose == drivers.Ours {
		why, misdirected = d.judge.wrong(r.Correlation, r.Body)
	}
	var w *wait
	defer func() { d.handBack(w) }()
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.history.of(seq)
	if whose != drivers.Ours || e == nil {
		d.counts.foreign++
		d.astray(&drivers.Stray{Kind: drivers.StrayForeign, Correlation: clip(r.Correlation), At: r.At, Why: fmt.Sprintf("a reply came to %q, which no request of this stream carried", clip(r.Correlation))})
		return
	}
	stray := drivers.Stray{Seq: seq, Correlation: clip(r.Correlation), At: r.At}
	if misdirected {
		d.counts.misdirected++
		stray.Kind, stray.Why = drivers.StrayMisdirected, why
		d.astray(&stray)
	}
	surplus, first := e.reply()
	w = d.waits[seq]
	switch {
	case surplus:
		d.counts.twice++
		stray.Kind, stray.Why = drivers.StrayTwice, fmt.Sprintf("%d replies came, and it was sent %d times", e.came(), e.sent)
		d.astray(&stray)
	case w == nil && !(first && e.taken()): // that one was read anew
		d.counts.late++
		stray.Kind, stray.Why = drivers.StrayLate, "the reply came after its attempt was over"
		d.astray(&stray)
	}
	if w == nil || w.answer != nil {
		return
	}
	e.take()
	w.answer = &answer{at: r.At, size: int64(len(r.Body)), why: why}
	if w.published {
		d.answered(w)
	}
}

// Strays implements drivers.Astray.
func (d *Driver) Strays(tell func(*drivers.Stray)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tell = tell
}

// astray tells of a reply that answered nothing, or something else. mu is held.
func (d *Driver) astray(s *drivers.Stray) {
	if d.tell != nil {
		d.tell(s)
	}
}

// answered ends an attempt that has a reply, whatever became of its publish. mu is held.
func (d *Driver) answered(w *wait) {
	at := w.at
	at.Answered, at.In = true, w.answer.size
	at.Done = max(w.answer.at, at.Sent, at.Begun)
	at.Outcome, at.Code, at.Detail = drivers.Acked, "", ""
	if w.answer.why != "" {
		at.Fail(drivers.Indeterminate, drivers.CodeCheck, w.answer.why)
	}
	d.end(w)
}

// expire ends an attempt that was published, unless it has ended.
func (d *Driver) expire(w *wait, cause error) {
	defer d.handBack(w)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waits[w.seq] == w {
		d.unanswered(w, cause)
	}
}

// unanswered ends an attempt that was published and has no reply. mu is held.
func (d *Driver) unanswered(w *wait, cause error) {
	code, detail := drivers.CodeTimeout, "the request was published, and no reply came in time"
	if cause != context.DeadlineExceeded {
		code, detail = drivers.CodeCancelled, "the request was published, and the attempt was cancelled before a reply came"
	}
	if d.failed != nil {
		detail = fmt.Sprintf("%s: no replies are read: %v", detail, d.failed)
	}
	w.at.Answered, w.at.Done, w.at.Position = false, 0, drivers.Position{}
	w.at.Fail(drivers.Indeterminate, code, detail)
	d.end(w)
}

// end notes that an attempt has its outcome. mu is held.
func (d *Driver) end(w *wait) {
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.stop != nil {
		w.stop()
	}
	w.over = true
	if d.waits[w.seq] == w {
		delete(d.waits, w.seq)
	}
}

// handBack hands an attempt back, once it has its outcome. w may be nil. mu is not held: done may send again.
func (d *Driver) handBack(w *wait) {
	if w == nil {
		return
	}
	d.mu.Lock()
	done := w.done
	if !w.over || done == nil {
		d.mu.Unlock()
		return
	}
	w.done = nil
	d.mu.Unlock()
	done()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inFlight--; d.inFlight == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
	}
}

// Flush implements drivers.Pipeline.
func (d *Driver) Flush(ctx context.Context) error {
	d.mu.Lock()
	if d.inFlight == 0 {
		d.mu.Unlock()
		return nil
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Session implements drivers.Driver.
func (d *Driver) Session() (drivers.Session, error) { return session{d}, nil }

// session makes one attempt at a time.
type session struct{ driver *Driver }

// Do implements drivers.Session.
func (s session) Do(ctx context.Context, op *drivers.Op, at *drivers.Attempt) {
	done := make(chan struct{})
	s.driver.Send(ctx, op, at, func() { close(done) })
	<-done
}

// Close implements drivers.Session.
func (session) Close() error { return nil }

// Gauges implements drivers.Gauger. awaiting_reply counts the requests that were published and have no reply yet. The others count
// replies since the start. Some have a correlation id that no request of this stream carried, or name another operation than it
// does. Some came after their attempt was over, or beyond one for each transmission.
func (d *Driver) Gauges(emit func(name string, value float64)) {
	d.Publisher.Gauges(emit)
	d.mu.Lock()
	waiting, n := 0, d.counts
	for _, w := range d.waits {
		if w.published {
			waiting++
		}
	}
	d.mu.Unlock()
	emit("awaiting_reply", float64(waiting))
	emit("replies_foreign", float64(n.foreign))
	emit("replies_late", float64(n.late))
	emit("replies_misdirected", float64(n.misdirected))
	emit("replies_twice", float64(n.twice))
}

// Close implements drivers.Driver. Attempts in flight end as cancelled. Idempotent.
func (d *Driver) Close() error {
	err := d.Publisher.Close()
	d.mu.Lock()
	left := slices.Collect(maps.Values(d.waits)) // all are published: the publisher has closed
	d.mu.Unlock()
	for _, w := range left {
		d.expire(w, context.Canceled)
	}
	d.cancel()
	d.ended.Wait()
	if closing := d.inbox.Close(); err == nil {
		err = closing
	}
	return err
}
