package prometheus

import (
	"time"

	"wringer/reports"
)

// State is a run at one moment. It is not changed once it was handed over.
type State struct {
	// Run is the partial record, or the record once the run is over. Its gates are those judged so far.
	Run    *reports.Run
	At     time.Duration // on the run's clock; negative in the warm-up
	Window string
	Faults []Fault
	// Streams are what the partial record does not hold. At the end they are the last ones.
	Streams []Stream
	Over    bool // Run is the record
}

// native are the native buckets of a stream's response times; nil: not known.
func (s *State) native(stream string) map[int]int64 {
	for i := range s.Streams {
		if s.Streams[i].Name == stream {
			return s.Streams[i].Response
		}
	}
	return nil
}

// Fault is one planned fault.
type Fault struct {
	Name, Kind string
	InForce    bool
}

// Stream is the state of a stream beside its measures.
type Stream struct {
	Name     string
	InFlight int64
	Lag      map[float64]time.Duration // schedule lag by quantile; nil: not known
	Response map[int]int64             // answered operations by native bucket of nativeSchema; nil: not known
	Observed bool                      // Live is measured
	Live     reports.Live
}
