package metrics

import (
	"slices"

	"wringer/drivers"
	"wringer/reports"
)

// stands says whether an attempt of an operation failed in a way that no want of CPU explains.
func stands(e *reports.Ended) bool {
	return slices.ContainsFunc(e.Trail, func(at drivers.Attempt) bool { return at.Stands() })
}

// Excused returns the cell as it would be had the target answered every operation well and at once, but for those whose failure
// stands. It holds no messages, statuses and lag.
func (c *Cell) Excused() *Cell {
	out := &Cell{StoodRejected: c.StoodRejected, StoodIndeterminate: c.StoodIndeterminate}
	out.Offered, out.DroppedByUs, out.Dropped = c.Offered, c.DroppedByUs, c.DroppedByUs
	out.Sent = c.Offered - c.DroppedByUs
	out.Rejected, out.Indeterminate = c.StoodRejected, c.StoodIndeterminate
	out.Counts.Acked = max(out.Sent-out.Rejected-out.Indeterminate, 0)
	out.Attempts, out.Tries = out.Sent, out.Sent
	if out.Sent > 0 {
		out.Response.RecordMany(0, out.Sent)
		out.Service.RecordMany(0, out.Sent)
	}
	if out.Counts.Acked > 0 {
		out.Acked.RecordMany(0, out.Counts.Acked)
	}
	addAll(&out.Errors, c.Stood)
	addAll(&out.Stood, c.Stood)
	out.mergeChecks(c.Checks)
	for i := range c.Steps {
		out.Steps = append(out.Steps, c.Steps[i].excused(out.Sent))
	}
	return out
}

// Less returns a copy of the cell that leaves out the cell o, which was merged into it. Details stay.
func (c *Cell) Less(o *Cell) *Cell {
	out := &Cell{}
	out.Merge(c)
	out.subtract(o)
	out.Lag.subtract(&o.Lag)
	out.Overtaken = slices.DeleteFunc(out.Overtaken, func(e *reports.Ended) bool { return slices.Contains(o.Overtaken, e) })
	return out
}

// subtract takes away all of o but its details and lag, which was merged before.
func (c *Cell) subtract(o *Cell) {
	c.Counts.Subtract(o.Counts)
	c.Tries -= o.Tries
	c.StoodRejected -= o.StoodRejected
	c.StoodIndeterminate -= o.StoodIndeterminate
	c.Partial -= o.Partial
	takeAll(c.Errors, o.Errors)
	takeAll(c.Stood, o.Stood)
	c.takeSteps(o.Steps)
	c.takeChecks(o.Checks)
	c.Response.subtract(&o.Response)
	c.Acked.subtract(&o.Acked)
	c.Service.subtract(&o.Service)
	if o.Messages != nil && c.Messages != nil {
		c.Messages.subtract(o.Messages)
	}
}
