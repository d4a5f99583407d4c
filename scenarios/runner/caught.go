package runner

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/answers"
	"wringer/reports/arrivals"
	"wringer/reports/effects"
	"wringer/reports/groups"
	"wringer/reports/integrity"
	"wringer/reports/metric"
	"wringer/reports/replays"
	"wringer/reports/replies"
	"wringer/reports/saga"
)

// breakage is the end of a check that broke. A check that broke is called no more.
type breakage struct {
	name    string // its first metric, or that of a check of the runner's own
	stream  string
	metrics []metric.Metric // those of the check
	output  func(name string) (io.WriteCloser, error)
	broken  atomic.Pointer[string] // why; nil: it did not break
}

// stacks are the stacks of all goroutines, up to a bound.
func stacks() []byte {
	buffer := make([]byte, 1<<20)
	return buffer[:runtime.Stack(buffer, true)]
}

// breaks notes the first reason, and keeps the stack in the record's folder.
func (b *breakage) breaks(why string, stack []byte) {
	name := filepath.Join("checks", b.stream+"-"+b.name)
	text := fmt.Sprintf("check %s of stream %s broke: %s (stack: output/%s.log)", b.name, b.stream, why, name)
	if !b.broken.CompareAndSwap(nil, &text) {
		return
	}
	out, err := b.output(name)
	if err != nil {
		return // the record says what broke, and the stack is lost
	}
	out.Write(append(append([]byte(why+"\n\n"), bytes.TrimSpace(stack)...), '\n'))
	out.Close()
}

// why is the reason why the check broke; empty when it did not.
func (b *breakage) why() string {
	if why := b.broken.Load(); why != nil {
		return *why
	}
	return ""
}

// Calls of the runner's own checks may take long in a large run, on a busy machine. So they have more time than a guard grants.
const (
	ownCallLimit   = 10 * time.Second
	ownFinishLimit = 5 * time.Minute
)

// caught keeps a check of the runner's own from ending the run by a panic, and from holding it up by a call without end. Each call
// but Seen is made in a goroutine of its own, which costs some nanoseconds an operation: operations come in batches. Deliveries come
// one by one. A call of Seen without end holds up its observer alone: the place was not read to its end then, or the check's other
// calls, which wait for its lock, break it.
type caught struct {
	breakage
	check reports.Check
}

// catch takes a check of the runner's own into its care.
func catch(c reports.Check, stream string, output func(string) (io.WriteCloser, error)) *caught {
	name, rows := "", []metric.Metric(nil)
	switch c.(type) {
	case *integrity.Ledger, *integrity.Joint, *integrity.Topic:
		name, rows = "integrity", integrity.Metrics
	case *effects.Account, *jointTimes:
		name, rows = "effects", effects.Metrics
	case *saga.Check:
		name, rows = "saga", saga.Metrics
	case *replays.Account:
		name, rows = "replays", replays.Metrics
	case *groups.Account:
		name, rows = "groups", groups.Metrics
	case *arrivals.Account:
		name, rows = "arrivals", arrivals.Metrics
	case *answers.Evidence:
		name = "answers"
	case *replies.Evidence:
		name = "replies"
	default:
		name = fmt.Sprintf("%T", c)
	}
	return &caught{breakage{name: name, stream: stream, metrics: rows, output: output}, c}
}

// panicked is deferred in a call: a panic breaks the check.
func (b *breakage) panicked(method string) {
	if p := recover(); p != nil {
		b.breaks(fmt.Sprintf("%s panicked: %v", method, p), debug.Stack())
	}
}

// call makes one call of the check in a goroutine of its own. It returns false when the check broke, now or before.
func (b *breakage) call(limit time.Duration, method string, f func()) bool {
	if b.broken.Load() != nil {
		return false
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer b.panicked(method)
		f()
	}()
	if !within(limit, done) {
		b.breaks(fmt.Sprintf("%s did not return within %s", method, reports.Duration(float64(limit))), stacks())
	}
	return b.broken.Load() == nil
}

// within reports whether done is closed within a limit of several seconds. The seconds are waited for one by one: a process that was
// stopped has not waited longer than one of them.
func within(limit time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	for ; limit > 0; limit -= time.Second {
		select {
		case <-done:
			return true
		case <-timer.C:
			timer.Reset(time.Second)
		}
	}
	return false
}

// cared cares for the findings of a check: what they write reaches the record only once it is whole.
func (b *breakage) cared(limit time.Duration, f reports.Findings) reports.Findings {
	if write := f.Write; write != nil {
		f.Write = func(out *reports.Stream) {
			written := copyOf(out)
			if b.call(limit, "Write", func() { write(written) }) {
				*out = *written
			}
		}
	}
	if measure := f.Measure; measure != nil {
		f.Measure = func(m *reports.Measures, windows []int) {
			measured := copyMeasures(m)
			if b.call(limit, "Measure", func() { measure(measured, slices.Clone(windows)) }) {
				*m = *measured
			}
		}
	}
	if keeps := f.Kept; keeps != nil {
		f.Kept = func(windows []int) any {
			kept := make(chan any, 1)
			if b.call(limit, "Kept", func() { kept <- keeps(slices.Clone(windows)) }) {
				return <-kept
			}
			return nil
		}
	}
	return f
}

// finish closes a check, and cares for its findings; none when it broke.
func (b *breakage) finish(limit time.Duration, check reports.Check, c reports.Completeness) reports.Findings {
	found := make(chan reports.Findings, 1)
	if !b.call(limit, "Finish", func() { found <- check.Finish(c) }) {
		return reports.Findings{}
	}
	return b.cared(limit, <-found)
}

// live returns the counts of a check; no counts when it broke.
func (b *breakage) live(limit time.Duration, check reports.Check) reports.Live {
	live := make(chan reports.Live, 1)
	if b.call(limit, "Live", func() { live <- check.(reports.Watched).Live() }) {
		return <-live
	}
	return reports.Live{}
}

// Ended passes the batch on.
func (c *caught) Ended(batch []reports.Ended) {
	c.call(ownCallLimit, "Ended", func() { c.check.(reports.FollowsEnds).Ended(batch) })
}

// Keeps implements traffic.Keeper: a call that did not return may go on reading its batch.
func (c *caught) Keeps() bool { return c.broken.Load() != nil }

// Seen passes the deliveries on.
func (c *caught) Seen(batch []drivers.Delivery) { c.seen(c.check.(reports.FollowsDeliveries), batch) }

func (c *caught) seen(by reports.FollowsDeliveries, batch []drivers.Delivery) {
	if c.broken.Load() == nil {
		defer c.panicked("Seen")
		by.Seen(batch)
	}
}

// caughtPlace passes on the deliveries of one place.
type caughtPlace struct {
	*caught
	place reports.FollowsDeliveries
}

// Seen passes the deliveries on.
func (c *caughtPlace) Seen(batch []drivers.Delivery) { c.seen(c.place, batch) }

// Live returns the counts of the check; no counts when it broke.
func (c *caught) Live() reports.Live { return c.live(ownCallLimit, c.check) }

// Finish closes the check. Its findings are cared for too.
func (c *caught) Finish(k reports.Completeness) reports.Findings {
	return c.finish(ownFinishLimit, c.check, k)
}
