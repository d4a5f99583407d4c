package reports

// Heat counts the answers of a stream by time and by response time, for a picture. An operation counts in the second in which it was
// due. One that got no answer is in no row.
type Heat struct {
	StepNS int64 `json:"step_ns"` // the time of one column
	// BoundsNS are the upper bounds of the rows, ascending. A row begins above the bound before it; the first also holds what is faster.
	BoundsNS []int64 `json:"bounds_ns"`
	// Columns hold the counts by row, from the begin of the measured part on.
	Columns [][]int64 `json:"columns"`
}

// heated checks that a stream's heat counts no more answers than there can be.
func (c *audit) heated(name string, s *Stream) {
	if s.Heat == nil {
		return
	}
	var sum, last int64
	for _, column := range s.Heat.Columns {
		c.that(len(column) <= len(s.Heat.BoundsNS), "%s: a column of the heat has %d rows of %d", name, len(column), len(s.Heat.BoundsNS))
		for _, n := range column {
			c.that(n >= 0, "%s: a count of the heat is below 0", name)
			sum += n
		}
	}
	for _, bound := range s.Heat.BoundsNS {
		c.that(bound > last, "%s: the bounds of the heat are not in order", name)
		last = bound
	}
	c.that(sum <= s.Total.Sent, "%s: the heat has %d answers of %d operations sent", name, sum, s.Total.Sent)
	c.that(s.Heat.StepNS > 0, "%s: a column of the heat has no length", name)
}
