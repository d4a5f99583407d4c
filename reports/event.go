package reports

import (
	"time"

	"wringer/drivers"
)

// Begun announces a stream before its first operation, to what takes attempts while a run goes on.
type Begun struct {
	Stream string
	Place  string    // where the stream sends, in words: POST http://host/path
	Epoch  time.Time // the wall time at which the run's clock is zero
	// Identity tells the run and the stream of each operation. Trace is what its requests carry of its trace.
	Identity drivers.Identity
	Trace    drivers.Trace
	// Windows are the names of the windows, by Ended.Window. Faults are the faults in force in them; empty: none is.
	Windows, Faults []string
}

// Ended is the event of an operation that is over: every attempt was made, or the operation was dropped. It is valid only
// during the call that passes it.
type Ended struct {
	Op drivers.Op
	// Window is the index of the window in which the operation was due (WindowWarmup for the warm-up).
	Window int
	// Outcome is Unknown for a dropped operation, but for one that is Partly sent.
	Outcome drivers.Outcome
	// Sent is the begin of the first attempt, Done the end of the last, on the run's clock.
	Sent, Done time.Duration
	// User is the number of the user in the closed model, from 1. 0: the open model has no users.
	User int
	// Partly says that a part was sent, and the rest was not by the run's own doing. Such an operation counts as dropped by the load
	// generator. It may have taken effect, unless its outcome is Rejected: what was sent surely took none.
	Partly bool
	// Trail holds every attempt, oldest first.
	Trail []drivers.Attempt
}

// WindowWarmup is the window index of operations that are not measured.
const WindowWarmup = -1
