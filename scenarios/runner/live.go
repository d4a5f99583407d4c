package runner

import (
	"time"

	"wringer/reports"
)

// Live is a moment of a run, for a view of it.
type Live struct {
	Name     string
	At       time.Duration // on the run's clock; negative in the warm-up
	Warmup   time.Duration
	Duration time.Duration
	Drain    time.Duration
	Window   string // warmup, baseline, a fault, after ..., drain
	Windows  []reports.Window
	Faults   []LiveFault
	Streams  []LiveStream
}

// LiveFault is a fault's state.
type LiveFault struct {
	Name       string
	Start, End time.Duration
	State      string // waiting, in force, healed, failed
}

// LiveStream is a stream over the last whole second, and what it came to so far.
type LiveStream struct {
	Name     string
	Rate     float64 // acked in that second
	Offered  int64
	Errors   float64 // share, in that second
	P99      time.Duration
	Answered bool // P99 is a time: it does not lie beyond every answer
	Retries  int64
	InFlight int64
	Total    reports.Counts
	Consumes bool  // it sends nothing: only what was seen of it changes
	Observed bool  // Seen and Unseen are measured
	Seen     int64 // operations so far
	Unseen   int64 // acked and not seen yet
}

// Done says whether the measured part is over.
func (l Live) Done() bool { return l.At >= l.Duration }
