package metrics

import (
	"maps"
	"slices"

	"wringer/drivers"
	"wringer/reports"
)

// stands says whether an attempt of an operation failed in a way that no want of CPU explains.
func stands(e *reports.Ended) bool {
	return slices.ContainsFunc(e.Trail, func(at drivers.Attempt) bool { return at.Stands() })
}

// standsBunched says whether an attempt of an operation failed in a way that late operations, sent in a bunch, do not explain.
func standsBunched(e *reports.Ended) bool {
	return slices.ContainsFunc(e.Trail, func(at drivers.Attempt) bool { return at.StandsBunched() })
}

// Excused returns the cell as it would be had the target answered every operation well and at once, but for those whose failure
// stands. It holds no messages, statuses and lag.
func (c *Cell) Excused() *Cell {
	out := c.excused(c.StoodRejected, c.StoodIndeterminate, c.Stood)
	for i := range c.Steps {
		out.Steps = append(out.Steps, c.Steps[i].excused(out.Sent, c.Steps[i].Stood))
	}
	return out
}

// Unbunched is Excused for operations that the load generator sent late, or beside late ones: a target may refuse a bunch at once.
func (c *Cell) Unbunched() *Cell {
	codes := maps.Clone(c.Errors)
	maps.DeleteFunc(codes, func(code string, _ int64) bool { return !drivers.StandsBunched(code) })
	out := c.excused(c.BunchedRejected, c.BunchedIndeterminate, codes)
	for i := range c.Steps {
		out.Steps = append(out.Steps, c.Steps[i].excused(out.Sent, c.Steps[i].Bunched))
	}
	return out
}

// excused leaves so many operations failed, by those codes, and lets the others be acked at once. It holds no steps.
func (c *Cell) excused(rejected, indeterminate int64, codes map[string]int64) *Cell {
	out := &Cell{
		StoodRejected: rejected, StoodIndeterminate: indeterminate,
		BunchedRejected: min(c.BunchedRejected, rejected), BunchedIndeterminate: min(c.BunchedIndeterminate, indeterminate),
	}
	out.Offered, out.DroppedByUs, out.Dropped = c.Offered, c.DroppedByUs, c.DroppedByUs
	out.Sent = c.Offered - c.DroppedByUs
	out.Rejected, out.Indeterminate = rejected, indeterminate
	out.Counts.Acked = max(out.Sent-out.Rejected-out.Indeterminate, 0)
	out.Attempts, out.Tries = out.Sent, out.Sent
	if out.Sent > 0 {
		out.Response.RecordMany(0, out.Sent)
		out.Service.RecordMany(0, out.Sent)
	}
	if out.Counts.Acked > 0 {
		out.Acked.RecordMany(0, out.Counts.Acked)
	}
	addAll(&out.Errors, codes)
	addAll(&out.Stood, codes)
	out.mergeChecks(c.Checks)
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
	c.BunchedRejected -= o.BunchedRejected
	c.BunchedIndeterminate -= o.BunchedIndeterminate
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
