package metrics

import "math/bits"

// CheckCell counts the answers to which a check was applied, and those among them that failed it.
type CheckCell struct{ Applied, Failed int64 }

// check counts the checks of one attempt, a bit for each.
func (c *Cell) check(applied, failed uint64) {
	c.growChecks(bits.Len64(applied))
	for i := range c.Checks {
		c.Checks[i].Applied += int64(applied >> i & 1)
		c.Checks[i].Failed += int64(failed >> i & 1)
	}
}

func (c *Cell) growChecks(n int) {
	for len(c.Checks) < n {
		c.Checks = append(c.Checks, CheckCell{})
	}
}

func (c *Cell) mergeChecks(o []CheckCell) {
	c.growChecks(len(o))
	for i := range o {
		c.Checks[i].Applied += o[i].Applied
		c.Checks[i].Failed += o[i].Failed
	}
}

// takeChecks takes away what was merged before.
func (c *Cell) takeChecks(o []CheckCell) {
	for i := range o {
		c.Checks[i].Applied -= o[i].Applied
		c.Checks[i].Failed -= o[i].Failed
	}
}
