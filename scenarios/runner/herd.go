package runner

import (
	"context"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/integrity"
)

// herd is a group of consumers at work beside the reader of a topic.
type herd struct {
	group   drivers.Group
	account *integrity.Group
	length  time.Duration // of the measured part

	stop context.CancelFunc
	// over is closed when the members have left, err being why none of them could read.
	over chan struct{}
	err  error
	end  integrity.GroupEnd
}

// run lets the members join.
func (h *herd) run(ctx context.Context) {
	ctx, h.stop = context.WithCancel(ctx)
	h.over = make(chan struct{})
	go func() {
		defer close(h.over)
		h.err = h.group.Run(ctx, h.length, h.account.Happened)
	}()
}

// settle lets the members finish what they have in hand and leave, and asks how far they have committed. The topic was read
// to its end before.
func (h *herd) settle(ctx context.Context) {
	h.account.Closing()
	h.stop()
	<-h.over
	if h.err != nil {
		h.end.Failed = h.err.Error()
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), catchUpLimit)
	defer cancel()
	var err error
	if h.end.Committed, err = h.group.Settled(limit); err != nil {
		h.end.Why = err.Error()
	}
}

// close ends the members, if they still are there, and frees the group.
func (h *herd) close() error {
	if h.stop != nil {
		h.stop()
		<-h.over
	}
	return h.group.Close()
}

// report writes what became of the group into the record, and returns the evidence and what of it is not known.
func (h *herd) report(out *reports.Stream, observed integrity.Completeness) ([]reports.Violation, map[string]string) {
	h.end.Observed = observed
	result := h.account.Finish(h.end)
	out.Total.Group, out.Strikes = result.Total, result.Strikes
	for name, m := range out.Windows {
		m.Group = result.Windows[name]
	}
	return result.Violations, result.Unknown
}

// groupObservation reads a count of a group; false when it is none. A group that was put to no test has shown nothing.
func groupObservation(name string, m *reports.Measures, n int64) (observation, bool) {
	g := m.Group
	if g == nil || g.Count(name) == nil {
		return observation{}, false
	}
	if g.Records == 0 && n == 0 {
		return missing("no record stood in the topic"), true
	}
	return found(float64(n)), true
}

// firstMessage reads the wait for the first record after a rebalance.
func firstMessage(name string, g *reports.Group) observation {
	if g == nil || g.FirstMessage == nil {
		return missing("no rebalance")
	}
	l := g.FirstMessage
	times := map[string]*float64{"p50": l.P50, "p90": l.P90, "p95": l.P95, "p99": l.P99, "p999": l.P999, "max": l.Max, "mean": l.Mean}
	if t := times[name]; t != nil && (*l.Unanswered == 0 || name != "max" && name != "mean") {
		return found(*t)
	}
	return found(infinite)
}
