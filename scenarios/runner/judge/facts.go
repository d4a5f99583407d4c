// Package judge decides what a run came to: its gates, what became of its faults, its findings and its verdict. It is pure:
// it reads Facts, and starts, sends and writes nothing.
package judge

import (
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// Facts is all that a verdict is made of. The judge changes none of it.
type Facts struct {
	Scenario *scenarios.Scenario
	// Streams are those of the run, in the order in which they were opened.
	Streams []Stream
	// Saturated says whether the load generator used up the machine in a second of the run.
	Saturated func(second int) bool
	// Limited counts, by stream, the seconds in which the load generator was saturated.
	Limited map[string]int
	CPU     *float64
	GCPause *int64 // the 99th percentile, in nanoseconds
	// LinkCosts are those of the links that know theirs, in nanoseconds.
	LinkCosts map[string]int64
	// Unrecorded says why the record is not whole; nil when it is.
	Unrecorded error
	Ending     Ending
	// Events are what the target says of its own parts.
	Events []string
}

// Ending is how a run went, apart from what was measured.
type Ending struct {
	Ended time.Duration // of the measured part
	// Unobserved says, by stream, why observation was not complete.
	Unobserved  map[string]string
	Interrupted bool
	Stopped     Stopped // by the run's own rules
	Failure     error   // of the harness
	Injections  []faults.Injection
}

// Stream is what is known of one stream.
type Stream struct {
	Spec *scenarios.Stream
	// Closed: the stream is of the closed model, and slows down with its target.
	Closed bool
	Tally  *Tally
	// Findings are those of its checks.
	Findings []reports.Findings
	// Place is where its operations or records are looked for, in words.
	Place string
	// Shortage says what to do about operations that never left because the generator ran out of something; empty: all left.
	Shortage string
	// GroupFailed says why its group of consumers could not read; empty when it could, or when there is none.
	GroupFailed string
}

// unknown says why a count of the stream is not fully known; empty when it is.
func (s *Stream) unknown(count string) string {
	for i := range s.Findings {
		if why := s.Findings[i].Unknown[count]; why != "" {
			return why
		}
	}
	return ""
}

// kept is what the checks of the stream keep of some windows beyond the record.
func (s *Stream) kept(windows []int) []any {
	var all []any
	for i := range s.Findings {
		if kept := s.Findings[i].Kept; kept != nil {
			if k := kept(windows); k != nil {
				all = append(all, k)
			}
		}
	}
	return all
}

func (f *Facts) stream(name string) *Stream {
	for i := range f.Streams {
		if f.Streams[i].Spec.Name == name {
			return &f.Streams[i]
		}
	}
	return nil
}

// Judge fills in what the record says of the faults, the gates, the findings and the verdict.
func (f *Facts) Judge(run *reports.Run) {
	all := f.overtakings()
	for i := range f.Streams {
		f.Streams[i].overtakes(run, all)
	}
	run.Faults = f.faults(run)
	run.Gates = f.gates(run)
	f.Ending.Stopped.leaveOpen(run.Gates, f.Scenario.Expect)
	run.Findings = f.findings(run)
	f.verdict(run)
}
