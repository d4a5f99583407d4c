package integrity

import (
	"fmt"

	"wringer/drivers"
	"wringer/reports/pages"
)

// note holds the repeats of an operation between its first sighting and its end.
type note struct {
	extra, redelivered int64
	repeats            []repeat // the first few, for the evidence
}

// repeat is a delivery of an operation that was seen before.
type repeat struct {
	sighting
	copied, redelivered bool
}

// classify decides whether a delivery is a record of its own, and whether it repeats that record or its origin. known, if ok,
// means that the record was delivered before. The operation must have been seen before.
func (l *Ledger) classify(d *drivers.Delivery, known, ok bool) (copied, again bool) {
	if !ok {
		l.repeatsUnknown = "the offsets have more gaps than there is room for"
		return false, false
	}
	copied, again = !known, known || d.Redelivered
	if len(d.Origin) > 0 {
		before, ok := l.origins.add(d.Origin)
		if !ok {
			l.redeliveredUnknown = "there are more origins than there is room for"
		}
		again = again || before
	}
	return copied, again
}

// seenAgain takes a delivery of an operation that was seen before.
func (l *Ledger) seenAgain(seq uint64, s state, d *drivers.Delivery, copied, again bool) {
	r := repeat{sighting: sightingOf(d), copied: copied, redelivered: again}
	switch {
	case s == open:
		l.seenEarly(seq, r)
	case s.sent():
		n := int64(1)
		if r.copied {
			n = l.count(seq)
		}
		cell := l.pages.cellOf(seq)
		l.countRepeat(cell, r, n)
		l.emitRepeat(seq, cell, &r)
	}
}

// count counts one more position of an operation that was seen before, and returns the number of its positions.
func (l *Ledger) count(seq uint64) int64 {
	p, i := l.pages.At(seq)
	if copied := pages.Need(&p.copied); !copied.Has(i) {
		copied.Set(i)
		return 2
	}
	n, ok := l.copies[seq]
	if !ok {
		if n = 2; len(l.copies) >= l.limits.copies {
			l.copiesUnknown = fmt.Sprintf("more than %d operations are at three and more positions", l.limits.copies)
			return n + 1
		}
	}
	l.copies[seq] = n + 1
	return n + 1
}

// countRepeat counts a repeat; copies is the number of positions including this one.
func (l *Ledger) countRepeat(cell int16, r repeat, copies int64) {
	c := &l.cells[cell]
	if r.copied {
		if copies == 2 {
			c.duplicates++
		}
		c.extra++
		c.copies = max(c.copies, copies)
	}
	if r.redelivered {
		c.redelivered++
	}
}

// repeatsPerNote bounds the evidence of repeats before the end of an operation.
const repeatsPerNote = 4

// seenEarly notes a repeat of an operation that is not over.
func (l *Ledger) seenEarly(seq uint64, r repeat) {
	n := l.early[seq]
	if n == nil {
		if len(l.early) >= l.limits.early {
			l.repeatsUnknown = fmt.Sprintf("more than %d operations were seen repeatedly before they were over", l.limits.early)
			return
		}
		n = &note{}
		l.early[seq] = n
	}
	if r.copied {
		n.extra++
		if p, i := l.pages.Find(seq); p != nil && p.seen.Has(i) {
			l.count(seq)
		}
	}
	if r.redelivered {
		n.redelivered++
	}
	// The first repeat of each sort is always evidence.
	if len(n.repeats) < repeatsPerNote || r.copied && n.extra == 1 || r.redelivered && n.redelivered == 1 {
		n.repeats = append(n.repeats, r)
	}
}

// settleEarly counts the repeats that were noted before the operation was over.
func (l *Ledger) settleEarly(seq uint64, s state, cell int16) {
	n := l.early[seq]
	if n == nil {
		return
	}
	delete(l.early, seq)
	if !s.sent() {
		return
	}
	c := &l.cells[cell]
	if n.extra > 0 {
		c.duplicates++
		c.extra += n.extra
		c.copies = max(c.copies, n.extra+1)
	}
	c.redelivered += n.redelivered
	for i := range n.repeats {
		l.emitRepeat(seq, cell, &n.repeats[i])
	}
}
