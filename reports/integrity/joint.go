package integrity

import (
	"math/bits"
	"time"

	"wringer/reports"
	"wringer/reports/pages"
)

// Joint sums up the ledgers of the several places of a stream's effects. An operation counts if it is so in at least one of
// them; seen and recovered are of the places where every operation must show up. Deliveries are summed up: redelivered, foreign,
// and extra_copies. max_copies is that of one place.
//
// A Joint keeps nothing of its own. Finish it after its ledgers.
type Joint struct{ ledgers []*Ledger }

// Join joins ledgers of one stream, at least one, with the same Windows.
func Join(ledgers []*Ledger) *Joint { return &Joint{ledgers} }

// Live sums up what is known so far: at least so many.
func (j *Joint) Live() reports.Live {
	sum := j.ledgers[0].Live()
	sum.Unseen = 0
	for i, l := range j.ledgers {
		live := l.Live()
		if !l.config.Optional {
			sum.Unseen = max(sum.Unseen, live.Unseen)
		}
		if i > 0 {
			sum.Seen = max(sum.Seen, live.Seen)
			sum.Phantom, sum.Duplicates = max(sum.Phantom, live.Phantom), max(sum.Duplicates, live.Duplicates)
			sum.Redelivered, sum.OrderViolations = sum.Redelivered+live.Redelivered, max(sum.OrderViolations, live.OrderViolations)
		}
	}
	return sum
}

// Finish sums the ledgers up. They tell whether their places were read to their ends.
func (j *Joint) Finish(reports.Completeness) reports.Findings {
	first := j.ledgers[0]
	cells, seen := j.cells()
	unknown, sh := j.unknown(), j.shape()
	r := Result{Unknown: unknown}
	r.sum(first.config.Windows, func(windows []int) *reports.Integrity {
		var sum cell
		var anywhere int64
		for _, w := range windows {
			sum.add(&cells[w+1])
			anywhere += seen[w+1]
		}
		i := sh.integrity(sum, unknown)
		i.Seen = &anywhere
		return i
	})
	return reports.Findings{Write: r.write, Measure: r.measure, Unknown: unknown}
}

// shape: what a place cannot tell, nobody knows of all places. Corrupt effects are those of the places that compare them.
func (j *Joint) shape() shape {
	sh := shape{mode: Effect, order: j.ledgers[0].config.Order, optional: true}
	for _, l := range j.ledgers {
		own := l.shape()
		sh.optional = sh.optional && own.optional
		sh.matched = sh.matched || own.matched
		sh.noRedelivery = sh.noRedelivery || own.noRedelivery
		sh.copiesUnknown = sh.copiesUnknown || own.copiesUnknown
		if own.order == None {
			sh.order = None
		}
	}
	return sh
}

// unknown gathers the reasons of all places.
func (j *Joint) unknown() map[string]string {
	why := make(map[string]string)
	for _, l := range j.ledgers {
		for name, reason := range l.final {
			if why[name] == "" {
				why[name] = "in " + l.config.Place + ": " + reason
			}
		}
	}
	for _, name := range j.shape().unmeasured() {
		delete(why, name)
	}
	return why
}

// cells counts the operations of each window by their joint fate; seen are those that were seen in some place. A cell's ackedSeen
// are the acked operations that were seen in every place.
func (j *Joint) cells() (cells []cell, seen []int64) {
	for _, l := range j.ledgers {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	first := j.ledgers[0]
	cells, seen = make([]cell, len(first.cells)), make([]int64, len(first.cells))
	for i := range cells {
		cells[i].acked = first.cells[i].acked
		for _, l := range j.ledgers {
			c := &l.cells[i]
			cells[i].extra += c.extra
			cells[i].redelivered += c.redelivered
			cells[i].foreign += c.foreign
			cells[i].copies = max(cells[i].copies, c.copies)
		}
	}
	longest := 0
	for _, l := range j.ledgers {
		longest = max(longest, l.pages.Len())
	}
	for n := range longest {
		j.addPage(cells, seen, uint64(n)<<pages.Shift)
	}
	j.addUnplanned(cells)
	return cells, seen
}

// addPage adds the operations of the page that begins with operation from. Every ledger has seen the ends of the same operations.
func (j *Joint) addPage(cells []cell, seen []int64, from uint64) {
	blank := new(page)
	all := make([]*page, len(j.ledgers))
	for k, l := range j.ledgers {
		if all[k], _ = l.pages.Find(from); all[k] == nil {
			all[k] = blank
		}
	}
	ends := all[0]
	for w := range pages.Words {
		low, high, drop := ends.low.Word(w), ends.high.Word(w), ends.drop.Word(w)
		acked, rejected, unsure := low&^high, high&^low, low&high
		var due, any, absent, copied, wrong, late uint64
		for k, p := range all {
			here := p.seen.Word(w)
			any |= here
			if !j.ledgers[k].config.Optional {
				due |= here
				absent |= acked &^ here
			}
			copied, wrong, late = copied|p.copied.Word(w), wrong|p.wrong.Word(w), late|p.late.Word(w)
		}
		sent := low | high
		for _, count := range []struct {
			of  uint64
			add func(c *cell, n int64)
		}{
			{acked &^ absent, func(c *cell, n int64) { c.ackedSeen += n }},
			{unsure & due, func(c *cell, n int64) { c.recovered += n }},
			{rejected & any, func(c *cell, n int64) { c.phantom += n }},
			{drop & any, func(c *cell, n int64) { c.unexpected += n }},
			{sent & copied, func(c *cell, n int64) { c.duplicates += n }},
			{sent & wrong, func(c *cell, n int64) { c.corrupt += n }},
			{late, func(c *cell, n int64) { c.violations += n }},
		} {
			each(&ends.cells, w, count.of, func(cell int16, n int64) { count.add(&cells[cell], n) })
		}
		each(&ends.cells, w, sent&due, func(cell int16, n int64) { seen[cell] += n })
	}
}

// each counts the operations of a word by their cells.
func each(of *pages.Cells, word int, operations uint64, visit func(cell int16, n int64)) {
	if cell, shared := of.One(); shared && cell != pages.NoCell && operations != 0 {
		visit(cell, int64(bits.OnesCount64(operations)))
		return
	}
	for m := operations; m != 0; m &= m - 1 {
		if cell := of.At(uint(word*64 + bits.TrailingZeros64(m))); cell != pages.NoCell {
			visit(cell, 1)
		}
	}
}

// addUnplanned adds the operations that were seen and never planned, each once, in the window of its first sighting.
func (j *Joint) addUnplanned(cells []cell) {
	at := j.ledgers[0].config.WindowAt
	seen := make(map[uint64]time.Duration)
	for _, l := range j.ledgers {
		note := func(seq uint64) {
			when := l.latest
			if r := l.history.find(seq); r != nil {
				when = r.at
			}
			if before, ok := seen[seq]; !ok || when < before {
				seen[seq] = when
			}
		}
		l.pages.unplanned(note)
		for _, seq := range l.history.unplannedAhead() {
			note(seq)
		}
		l.forgotten.each(func(t time.Duration, n int64) { cells[max(at(t), reports.WindowWarmup)+1].unexpected += n })
	}
	for _, when := range seen {
		cells[max(at(when), reports.WindowWarmup)+1].unexpected++
	}
}
