package metrics

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wringer/reports"
)

// Cuts are the times at which faults are injected, as planned and as it came. The zero value has none. Safe for concurrent use.
type Cuts struct {
	times atomic.Pointer[[]time.Duration]
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

// overtake says whether a fault is injected after planned, and not after done.
func (c *Cuts) overtake(planned, done time.Duration) bool {
	if c == nil {
		return false
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
		at.Steps = nil
		if at.Messages != nil {
			m := *at.Messages
			m.Gaps = slices.Clone(m.Gaps)
			at.Messages = &m
		}
	}
	return &kept
}

// Without returns a copy of the cell that leaves out operations which ended in it. Codes, details and steps stay.
func (c *Cell) Without(gone []*reports.Ended) *Cell {
	var out, less Cell
	out.Merge(c)
	for _, e := range gone {
		less.End(e, time.Hour)
	}
	out.subtract(&less)
	return &out
}

// subtract takes away all of o, which was merged before. Every Hist has the same buckets. The library records no negative counts.
func (h *Hist) subtract(o *Hist) {
	if h.h == nil || o.h == nil {
		return
	}
	less := h.h.Export()
	for i, n := range o.h.Export().Counts {
		less.Counts[i] -= n
	}
	h.h = hdrhistogram.Import(less)
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
