package runner

import (
	"slices"
	"sync"

	"wringer/reports"
	"wringer/scenarios"
)

// startup keeps what the start of the target waited for. It is safe for concurrent use.
type startup struct {
	show func(scenarios.StartStep) // may be nil

	mu    sync.Mutex
	ended []reports.Startup
}

// take takes a step, and keeps it when it has ended.
func (s *startup) take(step scenarios.StartStep) {
	if step.Ended {
		s.mu.Lock()
		s.ended = append(s.ended, reports.Startup{Verb: step.Verb, What: step.What, TookNS: int64(step.Took)})
		s.mu.Unlock()
	}
	if s.show != nil {
		s.show(step)
	}
}

// record returns the ended steps in the order of their ends.
func (s *startup) record() []reports.Startup {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ended)
}
