package integrity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
)

// Live is the number of identities seen in the measured part so far, and of those seen twice.
func (t *Topic) Live() reports.Live {
	t.mu.Lock()
	defer t.mu.Unlock()
	var l reports.Live
	for i := warmupCell + 1; i < len(t.cells); i++ {
		l.Seen += t.cells[i].seen
		l.Duplicates += t.cells[i].duplicates
		l.OrderViolations += t.cells[i].violations
	}
	return l
}

// Finish closes the account. Call it once, after the last record. After an incomplete observation, findings stand and gaps are
// unknown: a missing number may stand behind the last record read.
func (t *Topic) Finish(c reports.Completeness) reports.Findings {
	r := t.result(c)
	if t.config.OrderAlone {
		r.orderAlone()
		return reports.Findings{Write: r.writeOrder, Measure: r.measureOrder, Violations: r.Violations, Unknown: r.Unknown}
	}
	return reports.Findings{Write: r.write, Measure: r.measure, Violations: r.Violations, Unknown: r.Unknown}
}

// orderKinds are the counts of the order within keys, by the kinds of their evidence.
var orderKinds = map[string]string{"order_violation": "order_violations", "regression": "regressions", "gap": "gaps"}

// orderAlone keeps only the evidence and the reasons of the order within keys.
func (r *Result) orderAlone() {
	r.Violations = slices.DeleteFunc(r.Violations, func(v reports.Violation) bool { return orderKinds[v.Kind] == "" })
	unknown := make(map[string]string)
	for _, name := range orderKinds {
		if why, ok := r.Unknown[name]; ok {
			unknown[name] = why
		}
	}
	r.Unknown = unknown
}

// writeOrder puts the counts of the order into the account that is already in the stream's record.
func (r *Result) writeOrder(out *reports.Stream) {
	out.Total.Integrity.TakeOrder(r.Total)
	for name, m := range out.Windows {
		m.Integrity.TakeOrder(r.Windows[name])
	}
}

// measureOrder puts the counts of the order in some windows into the account that stands in m already.
func (r *Result) measureOrder(m *reports.Measures, windows []int) {
	m.Integrity.TakeOrder(r.over(windows))
}

// result closes the account.
func (t *Topic) result(c reports.Completeness) Result {
	t.mu.Lock()
	defer t.mu.Unlock()
	unknown := t.unknown(c)
	if unknown["gaps"] == "" {
		t.closeGaps()
	}
	r := Result{Unknown: unknown, Violations: t.sorted()}
	cells := slices.Clone(t.cells) // what comes later changes nothing
	r.sum(t.config.Windows, func(windows []int) *reports.Integrity {
		var sum topicCell
		for _, w := range windows {
			sum.add(&cells[w+1])
		}
		return t.integrity(sum, unknown)
	})
	return r
}

// closeGaps counts the numbers that did not come.
func (t *Topic) closeGaps() {
	all := make([]skipped, 0, len(t.missing))
	for s, cell := range t.missing {
		t.cells[cell].gaps++
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b skipped) int {
		return cmp.Or(strings.Compare(t.keys[a.key].key, t.keys[b.key].key), cmp.Compare(a.number, b.number))
	})
	for _, s := range all {
		of := topicEvidence{"gap", t.missing[s]}
		if !t.wants(of) {
			continue
		}
		r := t.keys[s.key]
		v := t.violation(of, fmt.Sprintf("number %d is missing: the numbers of the key run from %d to %d", s.number, r.low, r.top))
		v.Key, v.Seen = r.key, []reports.Sighting{}
		t.evidence[of] = append(t.evidence[of], v)
	}
}

// unknown gathers the reasons why counts are not fully known.
func (t *Topic) unknown(c reports.Completeness) map[string]string {
	why := make(map[string]string)
	mark := func(reason string, names ...string) {
		for _, name := range names {
			if why[name] == "" && reason != "" {
				why[name] = reason
			}
		}
	}
	repeats, order := []string{"log_duplicates", "extra_copies", "max_copies"}, []string{"order_violations", "regressions"}
	if !c.Known {
		mark(c.Reason(), slices.Concat(repeats, order, []string{"gaps", "seen", "foreign"})...)
	}
	if t.nameless > 0 {
		mark(reports.Count(t.nameless)+" records carry no identity", slices.Concat(repeats, order)...)
	}
	mark(t.repeatsUnknown, append(repeats, "seen")...)
	if t.config.Sequenced {
		if t.unnumbered > 0 {
			mark(reports.Count(t.unnumbered)+" records carry no key or no whole number", append(order, "gaps")...)
		}
		mark(t.orderUnknown, order...)
		mark(t.gapsUnknown, "gaps")
		return why
	}
	for _, name := range append(order, "gaps") {
		delete(why, name)
	}
	return why
}

// integrity makes the report of a cell's counts.
func (t *Topic) integrity(c topicCell, unknown map[string]string) *reports.Integrity {
	found := func(name string, n, none int64) *int64 {
		if unknown[name] != "" && n <= none {
			return nil
		}
		return &n
	}
	i := &reports.Integrity{
		Seen: &c.seen, Foreign: &c.foreign,
		LogDuplicates: found("log_duplicates", c.duplicates, 0),
		ExtraCopies:   found("extra_copies", c.extra, 0),
		MaxCopies:     found("max_copies", c.copies, 1),
	}
	if t.config.Sequenced {
		i.OrderViolations = found("order_violations", c.violations, 0)
		i.Regressions = found("regressions", c.regressions, 0)
		if unknown["gaps"] == "" {
			i.Gaps = &c.gaps
		}
	}
	return i
}

// add adds all of o; copies is a maximum.
func (c *topicCell) add(o *topicCell) {
	c.seen += o.seen
	c.foreign += o.foreign
	c.duplicates += o.duplicates
	c.extra += o.extra
	c.copies = max(c.copies, o.copies)
	c.violations += o.violations
	c.regressions += o.regressions
	c.gaps += o.gaps
}

func (t *Topic) sorted() []reports.Violation { return sortedEvidence(t.evidence) }

// sortedEvidence is the evidence by kind, then by window, then in the order of finding.
func sortedEvidence(evidence map[topicEvidence][]reports.Violation) []reports.Violation {
	keys := make([]topicEvidence, 0, len(evidence))
	for of := range evidence {
		keys = append(keys, of)
	}
	slices.SortFunc(keys, func(a, b topicEvidence) int {
		return cmp.Or(strings.Compare(a.kind, b.kind), cmp.Compare(a.cell, b.cell))
	})
	all := []reports.Violation{}
	for _, of := range keys {
		all = append(all, evidence[of]...)
	}
	return all
}
