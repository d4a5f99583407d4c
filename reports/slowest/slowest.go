// Package slowest keeps the slowest operations of a stream whose traces were sampled, so that a report can lead to their traces.
package slowest

import (
	"cmp"
	"slices"
	"sync"

	"wringer/drivers"
	"wringer/reports"
)

// Kept is the number of operations that are kept of each window.
const Kept = 3

// Slowest follows a stream. It is safe for concurrent use.
type Slowest struct {
	config reports.CheckConfig
	trace  drivers.Trace

	mu   sync.Mutex
	kept [][]reports.Slow // by window, the slowest first
}

// New returns a Slowest of the stream that config describes. trace is what its requests carry.
func New(config reports.CheckConfig, trace drivers.Trace) *Slowest {
	return &Slowest{config: config, trace: trace, kept: make([][]reports.Slow, len(config.Windows))}
}

// Ended implements reports.FollowsEnds.
func (s *Slowest) Ended(batch []reports.Ended) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		e := &batch[i]
		n := len(e.Trail)
		if e.Window < 0 || n == 0 || !e.Trail[n-1].Answered {
			continue
		}
		kept, took := s.kept[e.Window], int64(e.Done-e.Op.Planned)
		full := len(kept) == Kept
		if full && took <= kept[Kept-1].ResponseNS || !s.trace.Samples(s.config.Identity.Trace(e.Op.Seq)) {
			continue
		}
		if full {
			kept = kept[:Kept-1]
		}
		kept = append(kept, s.describe(e, took))
		slices.SortFunc(kept, func(a, b reports.Slow) int {
			return cmp.Or(cmp.Compare(b.ResponseNS, a.ResponseNS), cmp.Compare(a.Seq, b.Seq))
		})
		s.kept[e.Window] = kept
	}
}

func (s *Slowest) describe(e *reports.Ended, took int64) reports.Slow {
	return reports.Slow{
		Window: s.config.Windows[e.Window], ID: s.config.Identity.Text(e.Op.Seq), Seq: e.Op.Seq,
		PlannedNS: int64(e.Op.Planned), ResponseNS: took, Outcome: e.Outcome.String(), Attempts: len(e.Trail),
	}
}

// Now returns what is kept so far, by window in the order of their begins. The caller may change it.
func (s *Slowest) Now() []reports.Slow {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.kept...)
}

// Finish implements reports.Check. The runner asks Now.
func (s *Slowest) Finish(reports.Completeness) reports.Findings { return reports.Findings{} }
