package metrics

import (
	"slices"
	"sync/atomic"
	"time"

	"wringer/reports"
)

// Cuts are the times at which faults are injected, as planned and as it came. The zero value has none. Safe for concurrent use.
//
// A fault stays in force until it is healed, a little longer than planned. Operations that are due in that rest belong to the time
// after the fault by the plan, and meet the fault.
type Cuts struct {
	times atomic.Pointer[[]time.Duration]
	rests []*rest // does not change once operations end
}

// rest is the time from a fault's planned end to its healing.
type rest struct {
	from time.Duration
	to   atomic.Int64 // 0: not healed yet
}

// Plan adds a fault that is planned to end at the time end. Call the returned function once it is healed. Plan is not safe for
// concurrent use.
func (c *Cuts) Plan(end time.Duration) (healed func(at time.Duration)) {
	r := &rest{from: end}
	c.rests = append(c.rests, r)
	return func(at time.Duration) { r.to.Store(max(int64(at), 1)) }
}

// inRest says whether an operation was due in the rest of a fault.
func (c *Cuts) inRest(planned time.Duration) bool {
	return slices.ContainsFunc(c.rests, func(r *rest) bool {
		to := time.Duration(r.to.Load())
		return planned >= r.from && (to == 0 || planned <= to)
	})
}

// Add adds an injection that begins at the time at.
func (c *Cuts) Add(at time.Duration) {
	for {
		before := c.times.Load()
		var times []time.Duration
		if before != nil {
			times = append(times, *before...)
		}
		i, _ := slices.BinarySearch(times, at)
		times = slices.Insert(times, i, at)
		if c.times.CompareAndSwap(before, &times) {
			return
		}
	}
}

// overtake says whether a fault is injected after planned, and not after done, or planned lies in the rest of one.
func (c *Cuts) overtake(planned, done time.Duration) bool {
	if c == nil {
		return false
	}
	if c.inRest(planned) {
		return true
	}
	times := c.times.Load()
	if times == nil {
		return false
	}
	next, _ := slices.BinarySearch(*times, planned+1)
	return next < len(*times) && (*times)[next] <= done
}

// mostOvertaken bounds the operations that a Recorder keeps. They are at most what was in flight at each injection.
const mostOvertaken = 1 << 16

// kept is a copy of an operation with its attempts.
func kept(e *reports.Ended) *reports.Ended {
	kept := *e
	kept.Trail = slices.Clone(e.Trail)
	for i := range kept.Trail {
		at := &kept.Trail[i]
		if at.Steps != nil {
			at.Steps = new(slices.Clone(*at.Steps))
		}
		if at.Messages != nil {
			m := *at.Messages
			m.Gaps = slices.Clone(m.Gaps)
			at.Messages = &m
		}
	}
	return &kept
}

// Without returns a copy of the cell that leaves out operations which ended in it. Details stay.
func (c *Cell) Without(gone []*reports.Ended) *Cell {
	var out, less Cell
	out.Merge(c)
	for _, e := range gone {
		less.End(e, time.Hour)
	}
	out.subtract(&less)
	return &out
}

// subtract takes away all of o, which was merged before. Every Hist has the same buckets.
func (h *Hist) subtract(o *Hist) {
	if h.Export() == nil || o.Export() == nil {
		return
	}
	var left Hist
	for from, count := range h.h.ForEachBucket {
		if n := count - o.h.CountAtValue(from); n > 0 {
			left.RecordMany(time.Duration(from), n)
		}
	}
	*h = left
}

// subtract takes away all of o but its evidence, which was merged before.
func (m *Messages) subtract(o *Messages) {
	m.Calls -= o.Calls
	m.Sent -= o.Sent
	m.Received -= o.Received
	m.Lost -= o.Lost
	m.Undecided -= o.Undecided
	m.Unexpected -= o.Unexpected
	m.Duplicated -= o.Duplicated
	m.Reordered -= o.Reordered
	m.Counted -= o.Counted
	m.Tracked -= o.Tracked
	m.Waits -= o.Waits
	m.Gaps -= o.Gaps
	m.First.subtract(&o.First)
	m.Gap.subtract(&o.Gap)
}
