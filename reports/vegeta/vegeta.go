// Package vegeta writes attempts as results in the encoding of vegeta (github.com/tsenart/vegeta), so that `vegeta report` and
// `vegeta plot` can read them. It receives operations while a run goes on; all other facts of a run are in its record.
package vegeta

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"wringer/drivers"
	"wringer/reports"
)

const (
	// queued bounds the entries that wait for the writer. held bounds the results that wait for earlier ones: `vegeta plot`
	// needs the results of an attack numbered in the order of their time, and attempts end in another order.
	queued = 1 << 16
	held   = 1 << 20
)

// Results writes to one file. Its methods except Close are safe for concurrent use, and do not block. A result that finds the
// queue full is lost, and Close reports the loss.
type Results struct {
	queue chan entry
	stop  chan struct{}
	done  chan struct{}
	lost  atomic.Int64

	mu      sync.RWMutex
	attacks map[string]*attack

	// used by the writer alone
	out     *bufio.Writer
	encode  vegeta.Encoder
	holds   int
	written int64
	err     error
}

// attack is one stream's results.
type attack struct {
	name, method, url string
	epoch             time.Time
	waiting           []result
	next              uint64        // number of the next result
	last              time.Duration // time of the last result written
}

// result is one attempt.
type result struct {
	at, latency time.Duration
	in, out     int64
	status      uint16
	err         string
}

// entry is a result, or the notice that all operations planned before settled are known.
type entry struct {
	attack  *attack
	result  result
	settled time.Duration
	isNews  bool
}

// New starts a writer to w.
func New(w io.Writer) *Results {
	r := &Results{
		queue: make(chan entry, queued), stop: make(chan struct{}), done: make(chan struct{}),
		attacks: make(map[string]*attack), out: bufio.NewWriterSize(w, 1<<16),
	}
	r.encode = vegeta.NewEncoder(r.out)
	go r.write()
	return r
}

// Begin announces a stream before its first operation.
func (r *Results) Begin(b reports.Begun) {
	a := &attack{name: b.Stream, url: b.Place, epoch: b.Epoch}
	if method, url, ok := strings.Cut(b.Place, " "); ok && method == strings.ToUpper(method) {
		a.method, a.url = method, url
	}
	r.mu.Lock()
	r.attacks[b.Stream] = a
	r.mu.Unlock()
}

// Ended takes the attempts of an operation that is over.
func (r *Results) Ended(stream string, e *reports.Ended) {
	r.mu.RLock()
	a := r.attacks[stream]
	r.mu.RUnlock()
	if a == nil {
		return
	}
	for i := range e.Trail {
		select {
		case r.queue <- entry{attack: a, result: newResult(&e.Trail[i])}:
		default:
			r.lost.Add(1)
		}
	}
}

// Settled announces that every operation of the stream that was planned before until is over, and was handed over. A notice
// that finds the queue full is left out: more will follow.
func (r *Results) Settled(stream string, until time.Duration) {
	r.mu.RLock()
	a := r.attacks[stream]
	r.mu.RUnlock()
	if a == nil {
		return
	}
	select {
	case r.queue <- entry{attack: a, settled: until, isNews: true}:
	default:
	}
}

// newResult describes an attempt as vegeta does: from its send. vegeta counts a status of 200 to 399 as a success. So an answer
// that failed a check has no status, and an ack without a status, of another protocol, has 200.
func newResult(at *drivers.Attempt) result {
	out := result{at: at.Sent, latency: at.Done - at.Sent, in: at.In, out: at.Out, status: uint16(at.Status)}
	switch {
	case at.Outcome == drivers.Acked:
		if out.status == 0 {
			out.status = 200
		}
	case at.Code == fmt.Sprintf("http_%d", at.Status):
		out.err = at.Detail
	default:
		out.status, out.err = 0, at.Code
	}
	return out
}

// Finish tells the record nothing: a result that is missing is an error of Close.
func (*Results) Finish() *reports.Samples { return nil }

// Close writes the remaining results and waits for the writer. The error names the number of results that are missing from the
// file.
func (r *Results) Close() error {
	close(r.stop)
	<-r.done
	err := errors.Join(r.err, r.out.Flush())
	if n := r.lost.Load(); n > 0 {
		err = errors.Join(err, fmt.Errorf("%d of %d results are missing: they came faster than they could be written", n, n+r.written))
	}
	return err
}

func (r *Results) write() {
	defer close(r.done)
	for {
		select {
		case e := <-r.queue:
			r.take(e)
		case <-r.stop:
			r.finish()
			return
		}
	}
}

// finish writes all results that arrived before Close.
func (r *Results) finish() {
	for {
		select {
		case e := <-r.queue:
			r.take(e)
			continue
		default:
		}
		break
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, a := range r.attacks {
		r.settle(a, 1<<62)
	}
}

func (r *Results) take(e entry) {
	switch {
	case e.isNews:
		r.settle(e.attack, e.settled)
	case r.holds == held:
		r.lost.Add(1)
	default:
		r.holds++
		e.attack.waiting = append(e.attack.waiting, e.result)
	}
}

// settle writes the results before until, in the order of their time.
func (r *Results) settle(a *attack, until time.Duration) {
	slices.SortStableFunc(a.waiting, func(x, y result) int { return cmp.Compare(x.at, y.at) })
	n := 0
	for ; n < len(a.waiting) && a.waiting[n].at < until; n++ {
		r.one(a, &a.waiting[n])
	}
	r.holds -= n
	a.waiting = append(a.waiting[:0], a.waiting[n:]...)
}

func (r *Results) one(a *attack, w *result) {
	if r.err != nil {
		return
	}
	a.last = max(a.last, w.at)
	out := vegeta.Result{
		Attack: a.name, Seq: a.next, Code: w.status, Timestamp: a.epoch.Add(a.last), Latency: w.latency,
		BytesIn: uint64(w.in), BytesOut: uint64(w.out), Error: w.err, Method: a.method, URL: a.url,
	}
	a.next++
	r.written++
	r.err = r.encode(&out)
}
