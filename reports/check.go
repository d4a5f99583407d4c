package reports

import (
	"time"

	"wringer/drivers"
)

// Check follows one stream and gives its findings at the end. Its input depends on its optional methods: see FollowsEnds and
// FollowsDeliveries. Several goroutines call the methods; they do not block beyond a short lock.
type Check interface {
	// Finish closes the check. It is called once, after everything else. Later events change nothing.
	Finish(Completeness) Findings
}

// FollowsEnds are checks that take the stream's operations as they end.
type FollowsEnds interface {
	// Ended takes operations that are over, each exactly once, in any order. It keeps nothing of the batch.
	Ended(batch []Ended)
}

// FollowsDeliveries are checks that take the deliveries of a source.
type FollowsDeliveries interface {
	// Seen takes deliveries in the order of observation. It keeps nothing of the batch.
	Seen(batch []drivers.Delivery)
}

// Watched are checks that report counts while the run goes on.
type Watched interface{ Live() Live }

// Live is the state of a check while the run goes on: counts of the measured operations so far. It is no verdict: an unseen
// effect may still come.
type Live struct {
	Acked, Seen, Unseen int64
	// Duplicates are log or effect duplicates, depending on the place of observation.
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

// Completeness says whether observation covered everything.
type Completeness struct {
	Known bool
	Why   string // when it is not known
}

// Reason is the reason why observation was not complete; empty when it was.
func (c Completeness) Reason() string {
	switch {
	case c.Known:
		return ""
	case c.Why == "":
		return "observation was not complete"
	}
	return c.Why
}

// Findings are the results of a check.
type Findings struct {
	// Write puts the counts into the record of the stream. The record's windows are those that the run reached; nil: there are
	// none.
	Write func(*Stream)
	// Measure puts the counts of some windows together into m. A gate on the baseline, or on the time after a fault, asks for it
	// where phases or steps lie inside. The windows are indices into CheckConfig.Windows. nil: such a gate finds no counts.
	Measure func(m *Measures, windows []int)
	// Violations is the evidence.
	Violations []Violation
	// Unknown holds the reason for each count that is not fully known, by the count's name. A gate on such a count cannot be
	// shown to hold.
	Unknown map[string]string
	// Open is the reason why the run is inconclusive for any result of the gates, because the check did not see everything. It
	// is empty otherwise.
	Open string
	// Kept returns what the check keeps of some windows together beyond the record, for its own metrics to read. The windows
	// are indices into CheckConfig.Windows. nil: nothing.
	Kept func(windows []int) any
}
