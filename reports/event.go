package reports

import (
	"time"

	"wringer/drivers"
)

// Ended is the event of an operation that is over: every attempt was made, or the operation was dropped. It is valid only
// during the call that passes it.
type Ended struct {
	Op drivers.Op
	// Window is the index of the window in which the operation was due (WindowWarmup for the warm-up).
	Window int
	// Outcome is Unknown for a dropped operation.
	Outcome drivers.Outcome
	// Sent is the begin of the first attempt, Done the end of the last, on the run's clock.
	Sent, Done time.Duration
	// Trail holds every attempt, oldest first.
	Trail []drivers.Attempt
}

// WindowWarmup is the window index of operations that are not measured.
const WindowWarmup = -1
