package metrics

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/drivers"
	"wringer/reports"
)

// Histograms keep three significant digits from a microsecond to an hour, in nanoseconds. Longer times are clamped.
const (
	lowest  = int64(time.Microsecond)
	highest = int64(time.Hour)
	digits  = 3
)

// Hist is a histogram of durations that takes no memory until it is used. The zero value is ready.
type Hist struct{ h *hdrhistogram.Histogram }

// Record adds one duration; below 0 counts as 0.
func (h *Hist) Record(d time.Duration) { h.RecordMany(d, 1) }

// RecordMany adds one duration n times; below 0 counts as 0.
func (h *Hist) RecordMany(d time.Duration, n int64) {
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	// RecordValues fails only out of range, and the clamp excludes that.
	_ = h.h.RecordValues(min(max(int64(d), 0), highest), n)
}

// Merge adds all of o.
func (h *Hist) Merge(o *Hist) {
	if o.h == nil {
		return
	}
	if h.h == nil {
		h.h = hdrhistogram.New(lowest, highest, digits)
	}
	h.h.Merge(o.h)
}

// Count is the number of durations.
func (h *Hist) Count() int64 {
	if h.h == nil {
		return 0
	}
	return h.h.TotalCount()
}

// Export returns the underlying histogram, nil when empty.
func (h *Hist) Export() *hdrhistogram.Histogram { return h.h }

// Rank returns the value at quantile q (0 to 1) of total values. The values beyond Count are slower than every recorded one. ok
// is false if the quantile falls among these, or if there is none. The rank is ceil(q*total), the nearest-rank definition.
func (h *Hist) Rank(q float64, total int64) (d time.Duration, ok bool) {
	rank := rankOf(q, total)
	if total == 0 || rank > h.Count() {
		return 0, false
	}
	return h.at(rank), true
}

// rankOf is the nearest rank of quantile q, from 1.
func rankOf(q float64, total int64) int64 { return max(int64(math.Ceil(q*float64(total)-1e-9)), 1) }

// at returns the value of a rank from 1 to Count.
func (h *Hist) at(rank int64) time.Duration {
	return time.Duration(h.h.ValueAtPercentile(100 * float64(rank) / float64(h.Count())))
}

// Max is the largest recorded value; 0 when empty.
func (h *Hist) Max() time.Duration {
	if h.h == nil {
		return 0
	}
	return time.Duration(h.h.Max())
}

// AtMost counts the values that are surely at most d. It leaves out a bucket that d cuts in two, so that a share within a limit
// is never overstated.
func (h *Hist) AtMost(d time.Duration) int64 {
	if h.h == nil {
		return 0
	}
	var n int64
	for _, bar := range h.h.Distribution() {
		if bar.To <= int64(d) {
			n += bar.Count
		}
	}
	return n
}

// Buckets counts the values by bounds of 1, 2 and 5 in each decade, from the bucket of the least to that of the greatest. A
// value within a thousandth of a bound may stand on its other side.
func (h *Hist) Buckets() []reports.Bucket {
	if h.Count() == 0 {
		return nil
	}
	bound := boundAbove(h.h.Min())
	out := []reports.Bucket{{UpToNS: bound}}
	for _, bar := range h.h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		for bar.From > bound {
			bound = boundAbove(bound + 1)
			out = append(out, reports.Bucket{UpToNS: bound})
		}
		out[len(out)-1].Count += bar.Count
	}
	return out
}

// boundAbove is the least of 1, 2 and 5 times a power of ten that is not below v.
func boundAbove(v int64) int64 {
	for decade := int64(1); ; decade *= 10 {
		for _, factor := range []int64{1, 2, 5} {
			if bound := factor * decade; bound >= v {
				return bound
			}
		}
	}
}

// Summary describes the histogram within total values; those beyond Count are slower than every recorded one. It is nil if
// there is none.
func (h *Hist) Summary(total int64) *reports.Latency {
	if total == 0 {
		return nil
	}
	at := func(q float64) *float64 {
		if d, ok := h.Rank(q, total); ok {
			return number(float64(d))
		}
		return nil
	}
	l := &reports.Latency{
		P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999),
		Unanswered: number(float64(total - h.Count())),
	}
	if h.Count() > 0 {
		l.Min, l.Mean, l.Max = number(float64(h.h.Min())), number(h.h.Mean()), number(float64(h.h.Max()))
	}
	return l
}

func number(v float64) *float64 { return &v }

// Cell holds the measurements of one stream in one interval. The zero value is empty and ready. It is not safe for concurrent
// use.
type Cell struct {
	reports.Counts
	Errors   map[string]int64
	Failures reports.Failures
	// StoodRejected and StoodIndeterminate of the operations failed in a way that no want of CPU explains.
	StoodRejected, StoodIndeterminate int64
	// Response holds the answered operations, and Acked the acknowledged ones, both from the planned start. Service holds the
	// answered attempts, from their send. Lag holds the delays that the load generator caused: start minus planned start.
	Response, Acked, Service, Lag Hist
	// Tries counts the attempts handed to the driver, including those that never reached the wire. Service is a share of these.
	Tries int64
	// Messages is nil until an attempt is a stream of messages.
	Messages *Messages
	// Details holds, by code, the text of the first failed attempt.
	Details map[string]string
	// Steps holds the steps of a chain, in order.
	Steps []StepCell
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
	if at.Answered {
		c.Service.Record(at.Done - at.Sent)
	}
	if at.Messages != nil {
		c.converse(at.Messages)
	}
	if at.Steps != nil {
		c.steps(*at.Steps)
	}
	if at.Outcome == drivers.Acked {
		return
	}
	c.quote(at.Code, at.Detail)
	if c.Errors == nil {
		c.Errors = make(map[string]int64)
	}
	c.Errors[at.Code]++
	c.classify(at.Done-at.Begun, timeout)
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
	default:
		c.Indeterminate++
		if stands(e) {
			c.StoodIndeterminate++
		}
	}
	if n := len(e.Trail); n > 0 && e.Trail[n-1].Answered {
		c.Response.Record(response)
	}
}

// Merge adds all of o.
func (c *Cell) Merge(o *Cell) {
	c.Counts.Add(o.Counts)
	c.Tries += o.Tries
	c.StoodRejected += o.StoodRejected
	c.StoodIndeterminate += o.StoodIndeterminate
	for code, n := range o.Errors {
		if c.Errors == nil {
			c.Errors = make(map[string]int64)
		}
		c.Errors[code] += n
	}
	c.Failures.Fast += o.Failures.Fast
	c.Failures.AtDeadline += o.Failures.AtDeadline
	c.Failures.BeyondDeadline += o.Failures.BeyondDeadline
	c.Response.Merge(&o.Response)
	c.Acked.Merge(&o.Acked)
	c.Service.Merge(&o.Service)
	c.Lag.Merge(&o.Lag)
	c.mergeMessages(o)
	c.mergeSteps(o.Steps)
	c.Overtaken = append(c.Overtaken, o.Overtaken...)
	c.Interrupted = append(c.Interrupted, o.Interrupted...)
}

// Measures sums the cell up; length is the time it covers, for the rate.
func (c *Cell) Measures(length time.Duration) reports.Measures {
	m := reports.Measures{
		Counts:        c.Counts,
		Errors:        make(map[string]int64, len(c.Errors)),
		Response:      c.Response.Summary(c.Offered),
		AckedResponse: c.Acked.Summary(c.Counts.Acked),
		Service:       c.Service.Summary(c.Tries),
		Failures:      &reports.Failures{},
		Messages:      c.Messages.measures(),
		Details:       c.details(),
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
	return row
}
