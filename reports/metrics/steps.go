package metrics

import (
	"maps"

	"wringer/drivers"
	"wringer/reports"
)

// StepCell holds the measurements of one step of a chain.
type StepCell struct {
	Attempts, Acked int64
	Errors          map[string]int64
	Service         Hist
	// Stood attempts failed in a way that no want of CPU explains.
	Stood int64
	// Bunched attempts failed in a way that late operations, sent in a bunch, do not explain.
	Bunched int64
}

// steps counts the steps that one attempt took.
func (c *Cell) steps(at *drivers.Attempt) {
	taken := *at.Steps
	c.grow(len(taken))
	for i := range taken {
		s, into := &taken[i], &c.Steps[i]
		into.Attempts++
		if s.Answered {
			into.Service.Record(s.Done - s.Sent)
		}
		if s.Outcome == drivers.Acked {
			into.Acked++
			continue
		}
		add(&into.Errors, s.Code, 1)
		if at.Stands() {
			into.Stood++
		}
		if at.StandsBunched() {
			into.Bunched++
		}
	}
}

func (c *Cell) grow(n int) {
	for len(c.Steps) < n {
		c.Steps = append(c.Steps, StepCell{})
	}
}

func (c *Cell) mergeSteps(o []StepCell) {
	c.grow(len(o))
	for i := range o {
		into := &c.Steps[i]
		into.Attempts += o[i].Attempts
		into.Acked += o[i].Acked
		into.Stood += o[i].Stood
		into.Bunched += o[i].Bunched
		into.Service.Merge(&o[i].Service)
		addAll(&into.Errors, o[i].Errors)
	}
}

// takeSteps takes away what was merged before.
func (c *Cell) takeSteps(o []StepCell) {
	for i := range o {
		from := &c.Steps[i]
		from.Attempts -= o[i].Attempts
		from.Acked -= o[i].Acked
		from.Stood -= o[i].Stood
		from.Bunched -= o[i].Bunched
		from.Service.subtract(&o[i].Service)
		takeAll(from.Errors, o[i].Errors)
	}
}

// excused is the step as it would be had the target answered all of so many operations well and at once, but for so many failures.
func (s *StepCell) excused(sent, failed int64) StepCell {
	out := StepCell{Attempts: sent, Acked: max(sent-failed, 0), Stood: failed, Bunched: s.Bunched}
	if sent > 0 {
		out.Service.RecordMany(0, sent)
	}
	return out
}

// Step sums step i up. The step may never have been begun.
func (c *Cell) Step(i int) reports.StepMeasures {
	if i >= len(c.Steps) {
		return reports.StepMeasures{Errors: map[string]int64{}}
	}
	s := &c.Steps[i]
	m := reports.StepMeasures{Attempts: s.Attempts, Acked: s.Acked, Errors: maps.Clone(s.Errors), Service: s.Service.Summary(s.Attempts)}
	if m.Errors == nil {
		m.Errors = map[string]int64{}
	}
	return m
}
