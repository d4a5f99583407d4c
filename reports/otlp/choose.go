package otlp

import (
	"sync/atomic"

	"wringer/drivers"
	"wringer/reports"
)

// The reasons for which an operation is exported.
const (
	byHead    = "head" // its headers say so
	byFailure = "failed"
	bySlow    = "slow"
	byAnomaly = "anomalous"
)

// interesting bounds the operations of a stream that are exported in a second for what became of them.
const interesting = 100

// stream is a stream of the run, and what is needed to choose among its operations.
type stream struct {
	reports.Begun
	slowest  atomic.Int64 // response time of this second, in nanoseconds
	before   atomic.Int64 // the same of the second before
	exported atomic.Int64 // operations of this second that were chosen for what became of them
}

// choose says why an operation is exported; empty: it is not. An operation is slow if it took longer than every one of the second before.
func (s *stream) choose(e *reports.Ended) (by string) {
	if len(e.Trail) == 0 {
		return ""
	}
	slow := e.Trail[len(e.Trail)-1].Answered && s.slow(int64(e.Done-e.Op.Planned))
	switch {
	case s.Trace.Sampled > 0 && s.Trace.Samples(s.Identity.Trace(e.Op.Seq)):
		return byHead
	case e.Outcome != drivers.Acked:
		by = byFailure
	case slow:
		by = bySlow
	}
	if by != "" && s.exported.Add(1) > interesting {
		return ""
	}
	return by
}

func (s *stream) slow(took int64) bool {
	for most := s.slowest.Load(); took > most && !s.slowest.CompareAndSwap(most, took); {
		most = s.slowest.Load()
	}
	before := s.before.Load()
	return before > 0 && took > before
}

// second begins a new second.
func (s *stream) second() {
	s.before.Store(s.slowest.Swap(0))
	s.exported.Store(0)
}
