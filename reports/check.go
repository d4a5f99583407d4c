package reports

import (
	"time"

	"wringer/drivers"
)

// Check follows one stream and says in the end what it found. What it follows is told by the methods that it has beside:
// FollowsEnds and FollowsDeliveries. The methods are called from several goroutines; they do not block beyond a short lock.
type Check interface {
	// Finish closes the check; it is called once, after everything else. What comes later changes nothing.
	Finish(Completeness) Findings
}

// FollowsEnds are checks that take the stream's operations as they end.
type FollowsEnds interface {
	// Ended takes operations that are over, each exactly once, in any order. Nothing of the batch is kept.
	Ended(batch []Ended)
}

// FollowsDeliveries are checks that take what a source observed.
type FollowsDeliveries interface {
	// Seen takes deliveries in the order in which they were observed. Nothing of the batch is kept.
	Seen(batch []drivers.Delivery)
}

// Watched are checks that say while the run goes on what they have seen.
type Watched interface{ Live() Live }

// Live is where a check stands while the run goes on: counts of the measured operations so far. Nothing of it is a verdict:
// what is unseen may still come.
type Live struct {
	Acked, Seen, Unseen int64
	// Duplicates are log or effect duplicates, by what is observed.
	Phantom, Duplicates, Redelivered, OrderViolations int64
}

// CheckConfig describes the stream that a check follows.
type CheckConfig struct {
	Stream   string
	Identity drivers.Identity
	// Windows are the names of the windows. Ended.Window is an index into it, or WindowWarmup. A phase or a step that lies
	// partly before and partly after a fault is two windows of one name: see ByName. WindowAt is the index of the window that
	// holds a time on the run's clock, or WindowWarmup.
	Windows  []string
	WindowAt func(time.Duration) int
}

// ByName returns, for each name of a window, the indices of the windows that have it.
func ByName(windows []string) map[string][]int {
	indices := make(map[string][]int, len(windows))
	for i, name := range windows {
		indices[name] = append(indices[name], i)
	}
	return indices
}

// Completeness says whether everything was observed that there was to observe.
type Completeness struct {
	Known bool
	Why   string // when it is not known
}

// Reason says why observation was not complete; empty when it was.
func (c Completeness) Reason() string {
	switch {
	case c.Known:
		return ""
	case c.Why == "":
		return "observation was not complete"
	}
	return c.Why
}

// Findings are what a check found.
type Findings struct {
	// Write puts the counts into the record of the stream, whose windows are those that were reached; nil: there are none.
	Write func(*Stream)
	// Measure puts the counts of some windows together into m, for a gate on the baseline or on the time after a fault in which
	// phases or steps lie. The windows are indices into CheckConfig.Windows. nil: such a gate finds no counts.
	Measure func(m *Measures, windows []int)
	// Violations is the evidence.
	Violations []Violation
	// Unknown says of each count that is not fully known why, by its name. A gate that holds on such a count has not been
	// shown to hold.
	Unknown map[string]string
	// Open says why the run is inconclusive whatever the gates say, because the check did not see everything; empty when it
	// is not.
	Open string
	// Kept returns what the check keeps of some windows together beyond the record, for its own metrics to read. The windows
	// are indices into CheckConfig.Windows. nil: nothing.
	Kept func(windows []int) any
}
