package saga

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"wringer/reports"
	"wringer/reports/pages"
)

// tally counts the operations of one window.
type tally struct{ violations, compensated int64 }

// Finish implements reports.Check. What was not seen in a place that was not read to its end is not known, so that nothing is known
// of the saga.
func (c *Check) Finish(complete reports.Completeness) reports.Findings {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	why := complete.Reason()
	if why == "" {
		why = c.countUnknown
	}
	f := reports.Findings{Unknown: make(map[string]string)}
	tallies := make([]tally, len(c.config.Windows))
	if why == "" {
		c.pages.Each(func(first uint64, p *page) {
			for w := range pages.Words {
				c.judge(first, p, w, tallies, &f)
			}
		})
	}
	c.finishTimes(why)
	if why != "" {
		f.Unknown["saga_violations"], f.Unknown["saga_compensated"] = why, why
	}
	timeWhy := why
	if timeWhy == "" {
		timeWhy = c.timeUnknown
	}
	if timeWhy != "" {
		for i := range times {
			f.Unknown[times[i].Full()] = timeWhy
		}
	}
	over := func(windows []int) *reports.Saga { return c.over(tallies, windows, why == "") }
	f.Write = func(out *reports.Stream) {
		for name, windows := range reports.ByName(c.config.Windows) {
			if m := out.Windows[name]; m != nil {
				m.Saga = over(windows)
			}
		}
		var all []int
		for i := range c.config.Windows {
			all = append(all, i)
		}
		out.Total.Saga = over(all)
	}
	f.Measure = func(m *reports.Measures, windows []int) { m.Saga = over(windows) }
	f.Kept = func(windows []int) any {
		if len(windows) == 0 {
			return nil
		}
		return c.cell(windows)
	}
	return f
}

// judge judges the operations of a word.
func (c *Check) judge(first uint64, p *page, w int, tallies []tally, f *reports.Findings) {
	sent := p.acked.Word(w) | p.undone.Word(w)
	fate := p.fates(w, false)
	wrong := sent &^ (fate.full | fate.compensated | fate.nothing&p.undone.Word(w))
	visit := func(m uint64, do func(seq uint64, window int)) {
		for ; m != 0; m &= m - 1 {
			i := uint(w*64 + bits.TrailingZeros64(m))
			if cell := p.cells.At(i); cell > 0 {
				do(first|uint64(i), int(cell-1))
			}
		}
	}
	visit(sent&fate.compensated, func(_ uint64, window int) { tallies[window].compensated++ })
	visit(wrong, func(seq uint64, window int) {
		if tallies[window].violations++; tallies[window].violations <= int64(c.config.EvidencePerWindow) {
			f.Violations = append(f.Violations, c.evidence(seq, p, window))
		}
	})
}

// over sums windows up.
func (c *Check) over(tallies []tally, windows []int, known bool) *reports.Saga {
	s := &reports.Saga{Mixed: c.cell(windows).Measures()}
	if !known {
		return s
	}
	var sum tally
	for _, w := range windows {
		sum.violations += tallies[w].violations
		sum.compensated += tallies[w].compensated
	}
	s.Violations, s.Compensated = &sum.violations, &sum.compensated
	return s
}

func (c *Check) cell(windows []int) *Cell {
	sum := &Cell{}
	for _, w := range windows {
		sum.merge(&c.cells[w])
	}
	return sum
}

// finishTimes counts the operations that were mixed to the end.
func (c *Check) finishTimes(why string) {
	for seq, s := range c.stories {
		p, i := c.pages.Find(seq)
		cell := p.cells.At(i)
		if !s.ended || cell <= 0 || !s.isMixed {
			continue
		}
		if why != "" {
			c.cells[cell-1].Unknown++
		} else {
			c.cells[cell-1].Never++
		}
	}
}

// evidence is that of one operation, with its whole story.
func (c *Check) evidence(seq uint64, p *page, window int) reports.Violation {
	i := uint(seq % pages.Size)
	v := reports.Violation{
		Kind: "saga_violation", Stream: c.config.Stream, Window: c.config.Windows[window], ID: c.config.Identity.Text(seq), Seq: seq,
		Why: c.why(p, i),
	}
	if c.config.KeyOf != nil {
		v.Key = strconv.FormatUint(c.config.KeyOf(seq), 10)
	}
	s := c.stories[seq]
	if s == nil {
		v.Outcome = map[state]string{acked: "acked", undone: "not acked"}[p.state(i)]
		return v
	}
	v.Outcome, v.Attempts, v.Seen = s.outcome.String(), s.tries, slices.Clone(s.seen)
	slices.SortStableFunc(v.Seen, func(a, b reports.Sighting) int { return int(a.AtNS - b.AtNS) })
	planned, sent, done := int64(s.planned), int64(s.sent), int64(s.done)
	v.PlannedNS, v.SentNS, v.DoneNS = &planned, &sent, &done
	return v
}

// why says in words what an operation has and lacks.
func (c *Check) why(p *page, i uint) string {
	if p.parts == nil {
		return "acked, and neither an effect nor a compensation was seen"
	}
	var has, lacks, undone, extra []string
	for k, effect := range c.effects {
		pair, compensation := &p.parts[k], c.config.Compensations[effect]
		e, n := pair.effect.once.Has(i), pair.compensation.once.Bit(i)+pair.compensation.twice.Bit(i)
		if e {
			has = append(has, effect)
		} else {
			lacks = append(lacks, effect)
		}
		switch {
		case n > 1:
			extra = append(extra, compensation+" more than once")
		case n == 1 && !e:
			extra = append(extra, fmt.Sprintf("%s without %s", compensation, effect))
		case n == 1:
			undone = append(undone, compensation)
		}
	}
	var parts []string
	add := func(word string, names []string) {
		if len(names) > 0 {
			parts = append(parts, word+" "+strings.Join(names, ", "))
		}
	}
	add("has", has)
	add("lacks", lacks)
	add("compensated by", undone)
	add("wrongly", extra)
	if len(has) > 0 && len(undone) == 0 && len(extra) == 0 {
		parts = append(parts, "no compensation")
	}
	text := strings.Join(parts, "; ")
	if len(has)+len(undone)+len(extra) == 0 {
		text = "neither an effect nor a compensation was seen"
	}
	if p.state(i) == acked {
		return "acked; " + text
	}
	return "not acked; " + text
}
