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
}

// steps counts the steps that one attempt took.
func (c *Cell) steps(taken drivers.Steps) {
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
		if into.Errors == nil {
			into.Errors = make(map[string]int64)
		}
		into.Errors[s.Code]++
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
		into.Service.Merge(&o[i].Service)
		for code, n := range o[i].Errors {
			if into.Errors == nil {
				into.Errors = make(map[string]int64)
			}
			into.Errors[code] += n
		}
	}
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
