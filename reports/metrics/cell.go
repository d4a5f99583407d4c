package metrics

import (
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
)

func number(v float64) *float64 { return &v }

// Cell holds the measurements of one stream in one interval. The zero value is empty and ready. It is not safe for concurrent
// use.
type Cell struct {
	reports.Counts
	Errors   map[string]int64
	Failures reports.Failures
	// Statuses counts the acked attempts by status; In and Out are the payload bytes of all attempts.
	Statuses statuses
	In, Out  int64
	// StoodRejected and StoodIndeterminate of the operations failed in a way that no want of CPU explains.
	StoodRejected, StoodIndeterminate int64
	// BunchedRejected and BunchedIndeterminate failed in a way that late operations, sent in a bunch, do not explain.
	BunchedRejected, BunchedIndeterminate int64
	// Partial attempts got an answer that began, with its status, and did not come whole.
	Partial int64
	// Response holds the answered operations, and Acked the acknowledged ones, both from the planned start. Service holds the
	// answered attempts, from their send. Lag holds the delays that the load generator caused: start minus planned start.
	Response, Acked, Service, Lag Hist
	// Heat holds the same times as Response, for a picture.
	Heat HeatRow
	// Tries counts the attempts handed to the driver, including those that never reached the wire. Service is a share of these.
	Tries int64
	// Messages is nil until an attempt is a stream of messages.
	Messages *Messages
	// Details holds, by code, the text of the first failed attempt.
	Details map[string]string
	// Stood counts those of Errors whose failure no want of CPU explains.
	Stood map[string]int64
	// Steps holds the steps of a chain, in order, and Checks the checks that have a name.
	Steps  []StepCell
	Checks []CheckCell
	// Overtaken are the operations that were due before a fault's injection and not over at it. They are counted above too.
	Overtaken []*reports.Ended
	// Interrupted are the operations that an interrupt of the run ended before they were acked. They are counted above too.
	Interrupted []*reports.Ended
}

// Drop counts a planned operation that was not sent. ours: the load generator was the cause.
func (c *Cell) Drop(ours bool) {
	c.Offered++
	c.Dropped++
	if ours {
		c.DroppedByUs++
	}
}

// try counts one attempt that ended.
func (c *Cell) try(at *drivers.Attempt, timeout time.Duration) {
	c.Tries++
	if at.Wire {
		c.Attempts += 1 + int64(at.Hidden)
		c.ClientRetries += int64(at.Hidden)
		c.TransparentRetries += int64(at.Transparent)
	}
	if at.Partial {
		c.Partial++
	}
	if at.Answered {
		c.Service.Record(at.Done - at.Sent)
	}
	if at.Messages != nil {
		c.converse(at.Messages)
	}
	if at.Steps != nil {
		c.steps(at)
	}
	if at.Checked != 0 {
		c.check(at.Checked, at.Failed)
	}
	c.In += at.In
	c.Out += at.Out
	if at.Outcome == drivers.Acked {
		if at.Status != 0 {
			c.Statuses.add(at.Status, 1)
		}
		return
	}
	c.fail(at, timeout)
}

// fail counts an attempt that was not acked by its code.
func (c *Cell) fail(at *drivers.Attempt, timeout time.Duration) {
	c.quote(at.Code, at.Detail)
	add(&c.Errors, at.Code, 1)
	if at.Stands() {
		add(&c.Stood, at.Code, 1)
	}
	c.classify(at.Done-at.Begun, timeout)
}

// unsend counts an operation that was not sent, or not to its end, by the generator's own doing. What was sent of it is not counted:
// nobody knows what would have become of it. A value that could not be sent is told by its code,
// and a shortage of this machine is not: its codes are those of a target that is away.
func (c *Cell) unsend(e *reports.Ended, timeout time.Duration) {
	c.Drop(true)
	for i := range e.Trail {
		if e.Trail[i].Code == drivers.CodeMessage {
			c.fail(&e.Trail[i], timeout)
		}
	}
}

// classify separates a failure that came at once from one that took the whole deadline, with a tolerance of a tenth.
func (c *Cell) classify(took, timeout time.Duration) {
	switch {
	case took < timeout-timeout/10:
		c.Failures.Fast++
	case took <= timeout+timeout/10+20*time.Millisecond:
		c.Failures.AtDeadline++
	default:
		c.Failures.BeyondDeadline++
	}
}

// End counts an operation that was sent and is over, with all its attempts. The operation is answered when its last
// attempt was.
func (c *Cell) End(e *reports.Ended, timeout time.Duration) {
	var wired int64
	for i := range e.Trail {
		c.try(&e.Trail[i], timeout)
		if e.Trail[i].Wire {
			wired += 1 + int64(e.Trail[i].Hidden)
		}
	}
	c.Offered++
	c.Sent++
	c.Retries += max(wired-1, 0)
	response := e.Done - e.Op.Planned
	switch e.Outcome {
	case drivers.Acked:
		c.Counts.Acked++
		c.Acked.Record(response)
	case drivers.Rejected:
		c.Rejected++
		if stands(e) {
			c.StoodRejected++
		}
		if standsBunched(e) {
			c.BunchedRejected++
		}
	default:
		c.Indeterminate++
		if stands(e) {
			c.StoodIndeterminate++
		}
		if standsBunched(e) {
			c.BunchedIndeterminate++
		}
	}
	if n := len(e.Trail); n > 0 && e.Trail[n-1].Answered {
		c.Response.Record(response)
		c.Heat.Record(response)
	}
}

// Merge adds all of o.
func (c *Cell) Merge(o *Cell) {
	c.Counts.Add(o.Counts)
	c.Tries += o.Tries
	c.StoodRejected += o.StoodRejected
	c.StoodIndeterminate += o.StoodIndeterminate
	c.BunchedRejected += o.BunchedRejected
	c.BunchedIndeterminate += o.BunchedIndeterminate
	c.Partial += o.Partial
	addAll(&c.Errors, o.Errors)
	addAll(&c.Stood, o.Stood)
	for _, s := range o.Statuses {
		c.Statuses.add(s.code, s.count)
	}
	c.In += o.In
	c.Out += o.Out
	c.Failures.Fast += o.Failures.Fast
	c.Failures.AtDeadline += o.Failures.AtDeadline
	c.Failures.BeyondDeadline += o.Failures.BeyondDeadline
	c.Response.Merge(&o.Response)
	c.Heat.Merge(&o.Heat)
	c.Acked.Merge(&o.Acked)
	c.Service.Merge(&o.Service)
	c.Lag.Merge(&o.Lag)
	c.mergeMessages(o)
	c.mergeSteps(o.Steps)
	c.mergeChecks(o.Checks)
	c.Overtaken = append(c.Overtaken, o.Overtaken...)
	c.Interrupted = append(c.Interrupted, o.Interrupted...)
}

// Measures sums the cell up; length is the time it covers, for the rate.
func (c *Cell) Measures(length time.Duration) reports.Measures {
	m := reports.Measures{
		Counts:        c.Counts,
		Errors:        make(map[string]int64, len(c.Errors)),
		Response:      c.Response.Summary(c.Offered),
		Spread:        c.Response.Spread(c.Offered),
		AckedResponse: c.Acked.Summary(c.Counts.Acked),
		Service:       c.Service.Summary(c.Tries),
		Failures:      &reports.Failures{},
		Messages:      c.Messages.measures(),
		Details:       c.details(),
		Statuses:      c.Statuses.byName(),
	}
	if c.In > 0 || c.Out > 0 {
		m.Bytes = &reports.Traffic{In: c.In, Out: c.Out}
	}
	*m.Failures = c.Failures
	for code, n := range c.Errors {
		m.Errors[code] = n
	}
	if c.Sent > 0 {
		m.Amplification = number(float64(c.Attempts) / float64(c.Sent))
	}
	if length > 0 {
		m.Rate = number(float64(c.Counts.Acked) / length.Seconds())
	}
	return m
}

// Second sums the cell up as a second's row.
func (c *Cell) Second(start time.Duration) reports.Second {
	row := reports.Second{StartNS: int64(start), Counts: c.Counts}
	at := func(q float64) *int64 {
		if d, ok := c.Response.Rank(q, c.Offered); ok {
			n := int64(d)
			return &n
		}
		return nil
	}
	row.P50NS, row.P99NS = at(0.5), at(0.99)
	if c.Response.Count() > 0 {
		n := int64(c.Response.Max())
		row.MaxNS = &n
	}
	if c.DroppedByUs > 0 || c.Lag.Max() > noticed {
		if best := c.Response.AtBest(&c.Lag, metric.Statistic{Quantile: 0.99}, c.Offered, c.DroppedByUs); best < metric.Infinite {
			row.BestP99NS = new(int64(best))
		}
	}
	return row
}

// noticed is a lag that may make a difference in a second's row.
const noticed = 5 * time.Millisecond
