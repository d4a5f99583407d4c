package runner

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

// callLimit bounds one call of a guarded check while the traffic runs, finishLimit each call of its findings.
const (
	callLimit   = 5 * time.Second
	finishLimit = 30 * time.Second
)

// mostWaiting bounds the batches that wait for a guarded check. Beyond it, the sender waits too, up to callLimit.
const mostWaiting = 256

// guard keeps a check of the language from ending the run by a panic, and from holding it up by a call without end. A
// check that broke is called no more. Nothing that it measures is known then, and the run is inconclusive. A call that does
// not return keeps its goroutine.
//
// Events are queued, because their senders hold locks.
type guard struct {
	breakage
	check  reports.Check // nil: it could not be opened
	copies sync.Pool     // of *copied
	queue  chan func()
	over   chan struct{} // closed when no event counts any more
	end    sync.Once
}

// copied is what a check is handed. A call that does not return may go on reading the copy.
type copied struct {
	ended []reports.Ended
	trail []drivers.Attempt
	seen  []drivers.Delivery
}

// openGuarded opens a check of the language. output opens a file of the record's folder.
func openGuarded(kind *metric.Check, config reports.CheckConfig, output func(string) (io.WriteCloser, error)) *guard {
	g := &guard{breakage: breakage{name: kind.Metrics[0].Full(), metrics: kind.Metrics, stream: config.Stream, output: output}}
	g.copies.New = func() any { return &copied{} }
	g.queue, g.over = make(chan func(), mostWaiting), make(chan struct{})
	go g.work()
	opened := make(chan reports.Check, 1)
	if g.call(callLimit, "Open", func() { opened <- kind.Open(config) }) {
		g.check = <-opened
	}
	return g
}

// work makes the queued calls, one after the other.
func (g *guard) work() {
	for {
		select {
		case call := <-g.queue:
			call()
		case <-g.over:
			return
		}
	}
}

// later queues a call.
func (g *guard) later(call func()) {
	if g.broken.Load() != nil {
		return
	}
	select {
	case g.queue <- call:
		return
	default:
	}
	timer := time.NewTimer(callLimit)
	defer timer.Stop()
	select {
	case g.queue <- call:
	case <-g.over:
	case <-timer.C:
		g.breaks(fmt.Sprintf("%d batches of events waited for it", mostWaiting), stacks())
	}
}

// settle waits until the queued calls were made. Later events change nothing.
func (g *guard) settle() {
	defer g.close()
	done := make(chan struct{})
	g.later(func() { close(done) })
	if g.broken.Load() != nil {
		return
	}
	timer := time.NewTimer(finishLimit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		g.breaks(fmt.Sprintf("it did not take its events within %s after the run", reports.Duration(float64(finishLimit))), stacks())
	}
}

// close ends the guard. It is idempotent.
func (g *guard) close() error {
	g.end.Do(func() { close(g.over) })
	return nil
}

// Ended hands a copy of the batch to the check.
func (g *guard) Ended(batch []reports.Ended) {
	c := g.copies.Get().(*copied)
	c.ended, c.trail = append(c.ended[:0], batch...), c.trail[:0]
	for i := range batch {
		c.trail = append(c.trail, batch[i].Trail...)
	}
	from := 0
	for i := range c.ended {
		to := from + len(c.ended[i].Trail)
		c.ended[i].Trail, from = c.trail[from:to:to], to
	}
	g.later(func() {
		if g.call(callLimit, "Ended", func() { g.check.(reports.FollowsEnds).Ended(c.ended) }) {
			g.copies.Put(c)
		}
	})
}

// Seen hands a copy of the deliveries to the check.
func (g *guard) Seen(batch []drivers.Delivery) {
	c := g.copies.Get().(*copied)
	c.seen = append(c.seen[:0], batch...)
	for i := range c.seen {
		d := &c.seen[i]
		d.ID, d.Key, d.Origin, d.Sequence = bytes.Clone(d.ID), bytes.Clone(d.Key), bytes.Clone(d.Origin), bytes.Clone(d.Sequence)
	}
	g.later(func() {
		if g.call(callLimit, "Seen", func() { g.check.(reports.FollowsDeliveries).Seen(c.seen) }) {
			g.copies.Put(c)
		}
	})
}

// Live returns the counts of the check; no counts when it broke.
func (g *guard) Live() reports.Live { return g.live(callLimit, g.check) }

// Finish closes the check. Its findings are guarded too.
func (g *guard) Finish(c reports.Completeness) reports.Findings {
	g.settle()
	return g.finish(finishLimit, g.check, c)
}

// copyOf copies what a check may write to.
func copyOf(s *reports.Stream) *reports.Stream {
	out := *s
	out.Total = *copyMeasures(&s.Total)
	out.Windows = make(map[string]*reports.Measures, len(s.Windows))
	for name, m := range s.Windows {
		out.Windows[name] = copyMeasures(m)
	}
	return &out
}

func copyMeasures(m *reports.Measures) *reports.Measures {
	out := *m
	out.Checks = maps.Clone(m.Checks)
	return &out
}
