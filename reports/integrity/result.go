package integrity

import (
	"fmt"
	"slices"
	"time"

	"wringer/reports"
)

// Result is the account of a stream.
type Result struct {
	// Total is the sum of Windows (max_copies: the maximum), which holds every window of the Config. If something is unknown, a
	// count above 0 is proven by its own evidence and means "at least". A count that would be 0 is null. So a window's count
	// may be null beside a total that is not.
	Total   *reports.Integrity
	Windows map[string]*reports.Integrity // by name
	over    func(windows []int) *reports.Integrity
	// Violations is the evidence, sorted by kind, window and operation.
	Violations []reports.Violation
	// Unknown holds the reason for each count that is not fully known, by the count's name in run.json. A gate on such a count
	// cannot be shown to hold.
	Unknown map[string]string
}

// Finish closes the account. Call it once, after the last Ended; later events change nothing.
func (l *Ledger) Finish(c reports.Completeness) reports.Findings {
	r := l.result(c, l.config.WindowAt)
	return reports.Findings{Write: r.write, Measure: r.measure, Violations: r.Violations, Unknown: r.Unknown}
}

// write puts the counts into the record of the stream.
func (r *Result) write(out *reports.Stream) {
	out.Total.Integrity = r.Total
	for name, m := range out.Windows {
		m.Integrity = r.Windows[name]
	}
}

// measure puts the counts of some windows together into m.
func (r *Result) measure(m *reports.Measures, windows []int) { m.Integrity = r.over(windows) }

// sum sums windows up, and sets the counts of each name and the total.
func (r *Result) sum(names []string, over func(windows []int) *reports.Integrity) {
	r.over, r.Windows = over, make(map[string]*reports.Integrity)
	var all []int
	for name, windows := range reports.ByName(names) {
		r.Windows[name] = over(windows)
		all = append(all, windows...)
	}
	r.Total = over(all)
}

// result closes the account. windowAt
// gives the window of a time: for what was seen and never planned. It scans one or two bits an operation.
//
// After a complete observation, operations acked and not seen are lost, and unseen is 0. After an incomplete one, lost is null,
// unseen holds the count, and of all other counts only findings stand.
func (l *Ledger) result(c reports.Completeness, windowAt func(t time.Duration) int) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advanceAll(true)
	l.closed = true
	if l.forgotten.n > 0 && l.forgottenFrom < l.planned && c.Known {
		c = reports.Completeness{Why: fmt.Sprintf("more than %d operations were seen far ahead of what had ended", l.limits.unplanned)}
	}
	l.countUnplanned(windowAt)
	if c.Known {
		l.pages.lost(func(seq uint64, cell int16) { l.emitLost(seq, cell) })
	}
	unknown := l.unknown(c)
	l.final = unknown
	r := Result{Unknown: unknown, Violations: l.evidence.sorted()}
	cells := slices.Clone(l.cells) // what comes later changes nothing
	r.sum(l.config.Windows, func(windows []int) *reports.Integrity {
		var sum cell
		for _, w := range windows {
			sum.add(&cells[w+1])
		}
		return l.shape().integrity(sum, unknown)
	})
	return r
}

// countUnplanned counts the events without a due time, in the window of their sighting: foreign deliveries, and operations that
// were seen and never planned.
func (l *Ledger) countUnplanned(windowAt func(t time.Duration) int) {
	at := func(t time.Duration) int16 { return int16(max(windowAt(t), reports.WindowWarmup) + 1) }
	l.foreign.each(func(t time.Duration, n int64) { l.cells[at(t)].foreign += n })
	l.forgotten.each(func(t time.Duration, n int64) { l.cells[at(t)].unexpected += n })
	count := func(seq uint64) {
		seen := l.latest // the reason if the time is no longer known
		if r := l.history.find(seq); r != nil {
			seen = r.at
		}
		cell := at(seen)
		l.cells[cell].unexpected++
		l.emitUnexpected(seq, cell, fmt.Sprintf("seen at %s, and no such operation was planned", moment(seen)))
	}
	l.pages.unplanned(count)
	for _, seq := range l.history.unplannedAhead() {
		if p, i := l.pages.Find(seq); p == nil || !p.seen.Has(i) {
			count(seq)
		}
	}
}

// unplannedAhead lists the operations that were first seen far ahead and are not over, in order.
func (h *history) unplannedAhead() []uint64 {
	var seqs []uint64
	for seq, r := range h.kept {
		if r.tooFarAhead && r.state == open {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	return seqs
}

// Counts that become unknown together, by their names in run.json.
var (
	observedCounts = []string{"lost", "recovered", "phantom", "unexpected", "foreign"}
	repeatCounts   = []string{"log_duplicates", "effect_duplicates", "extra_copies", "max_copies", "redelivered"}
	ackCounts      = []string{"ack_collisions"}
	orderCounts    = []string{"order_violations", "regressions"}
	corruptCounts  = []string{"corrupt"}
)

// unknown gathers the reasons why counts are not fully known.
func (l *Ledger) unknown(c reports.Completeness) map[string]string {
	why := make(map[string]string)
	mark := func(reason string, names ...string) {
		for _, name := range names {
			if _, ok := why[name]; !ok && reason != "" {
				why[name] = reason
			}
		}
	}
	if !c.Known {
		mark(c.Reason(), slices.Concat(observedCounts, repeatCounts, orderCounts, corruptCounts)...)
	}
	mark(l.repeatsUnknown, repeatCounts...)
	mark(l.redeliveredUnknown, "redelivered")
	mark(l.copiesUnknown, "max_copies")
	mark(l.acksUnknown, ackCounts...)
	mark(l.corruptUnknown, corruptCounts...)
	mark(l.order.unknown, orderCounts...)
	if l.forgotten.n > 0 {
		mark(fmt.Sprintf("beyond %d invented operations, deliveries were counted", l.limits.unplanned), "unexpected")
	}
	if l.config.Order == RealTime && l.config.KeyOf == nil {
		mark("order in real time is that of a key, and the stream has none", "order_violations")
	}
	for _, name := range l.shape().unmeasured() {
		delete(why, name)
	}
	return why
}

// shape says which counts a report has.
type shape struct {
	mode                            Mode
	order                           Order
	optional, matched, noRedelivery bool
	copiesUnknown                   bool // beyond what is known of incomplete observation
}

func (l *Ledger) shape() shape {
	c := &l.config
	return shape{c.Mode, c.Order, c.Optional, c.Matched, c.NoRedelivery, l.copiesUnknown != ""}
}

// unmeasured lists the counts that the report does not have.
func (sh shape) unmeasured() []string {
	names := []string{"effect_duplicates"}
	if sh.optional {
		names = append(names, "lost", "unseen")
	}
	if !sh.matched {
		names = append(names, corruptCounts...)
	}
	if sh.noRedelivery {
		names = append(names, "redelivered")
	}
	switch sh.mode {
	case Effect:
		names[0] = "log_duplicates"
		names = append(names, ackCounts...)
	case Published:
		names = append(append(names, "redelivered"), ackCounts...)
	}
	switch sh.order {
	case None:
		return append(names, orderCounts...)
	case RealTime:
		return append(names, "regressions")
	}
	return names
}

// integrity makes the report of a cell's counts.
func (sh shape) integrity(c cell, unknown map[string]string) *reports.Integrity {
	found := func(name string, n int64) *int64 {
		if _, ok := unknown[name]; ok && n == 0 {
			return nil
		}
		return &n
	}
	unseen := c.acked - c.ackedSeen
	seen, most := c.seen(), c.most()
	i := &reports.Integrity{
		Acked: &c.acked, Seen: &seen, Lost: &unseen, Unseen: new(int64),
		Recovered:   found("recovered", c.recovered),
		Phantom:     found("phantom", c.phantom),
		Unexpected:  found("unexpected", c.unexpected),
		Foreign:     found("foreign", c.foreign),
		Redelivered: found("redelivered", c.redelivered),
		ExtraCopies: found("extra_copies", c.extra),
		MaxCopies:   &most,
	}
	if _, ok := unknown["lost"]; ok {
		i.Lost, i.Unseen = nil, &unseen
	}
	if sh.optional {
		i.Lost, i.Unseen = nil, nil
	}
	if sh.matched {
		i.Corrupt = found("corrupt", c.corrupt)
	}
	if _, ok := unknown["max_copies"]; ok && (c.copies < 2 || sh.copiesUnknown) {
		i.MaxCopies = nil
	}
	switch sh.mode {
	case Log:
		i.LogDuplicates = found("log_duplicates", c.duplicates)
		i.AckCollisions = found("ack_collisions", c.collisions)
	case Published:
		i.LogDuplicates = found("log_duplicates", c.duplicates)
		i.Redelivered = nil
	default:
		i.EffectDuplicates = found("effect_duplicates", c.duplicates)
	}
	if sh.noRedelivery {
		i.Redelivered = nil
	}
	if sh.order != None {
		i.OrderViolations = found("order_violations", c.violations)
	}
	if sh.order == Sequential {
		i.Regressions = found("regressions", c.regressions)
	}
	return i
}
