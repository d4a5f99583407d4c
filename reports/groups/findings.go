package groups

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// End is the known state of a group at its end.
type End struct {
	// Committed holds the next offset that the group has committed, by partition. Why is the reason why it is not known.
	Committed map[int32]int64
	Why       string
	// Failed is the reason why the group could not read at all; empty if it could.
	Failed string
}

// Left takes the end of the group. Call it once, when the members have left.
func (g *Account) Left(end End) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.end = end
}

// Failed is the reason why the group could not read at all; empty if it could.
func (g *Account) Failed() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.end.Failed
}

// Finish closes the account. Call it once, when the members have left and the reader has read to its end. If something is
// unknown, a count above 0 means "at least", and a count that would be 0 is null.
func (g *Account) Finish(c reports.Completeness) reports.Findings {
	r := g.result(c)
	measure := func(m *reports.Measures, windows []int) { m.Group = r.over(windows) }
	return reports.Findings{Violations: r.Violations, Unknown: r.Unknown, Measure: measure, Write: func(out *reports.Stream) {
		out.Total.Group, out.Strikes = r.Total, r.Strikes
		for name, m := range out.Windows {
			m.Group = r.Windows[name]
		}
	}}
}

type result struct {
	Total      *reports.Group
	Windows    map[string]*reports.Group // by name
	over       func(windows []int) *reports.Group
	Strikes    []reports.Strike
	Violations []reports.Violation
	Unknown    map[string]string
}

func (g *Account) result(c reports.Completeness) result {
	g.mu.Lock()
	defer g.mu.Unlock()
	unprocessed := g.missing()
	why := cmp.Or(g.end.Failed, c.Reason(), g.unknown, g.end.Why)
	if why == "" && unprocessed > 0 {
		why = fmt.Sprintf("the group had not processed %s records when observation ended", reports.Count(unprocessed))
	}
	unknown := make(map[string]string)
	if why != "" {
		for _, name := range []string{"group_lost", "redelivered", "redelivered_records"} {
			unknown[name] = why
		}
	}
	r := result{Windows: make(map[string]*reports.Group), Strikes: slices.Clone(g.strikes), Unknown: unknown}
	cells := slices.Clone(g.cells) // what comes later changes nothing
	rebalances := slices.DeleteFunc(slices.Clone(g.rebalances), func(b rebalance) bool { return b.took == nil && unprocessed == 0 })
	r.over = func(windows []int) *reports.Group {
		var sum cell
		var own []rebalance
		for _, w := range windows {
			sum.add(&cells[w+1])
		}
		for _, b := range rebalances {
			if slices.Contains(windows, int(b.cell)-1) {
				own = append(own, b)
			}
		}
		return sum.report(own, unknown)
	}
	var all []int
	for name, windows := range reports.ByName(g.config.Windows) {
		r.Windows[name] = r.over(windows)
		all = append(all, windows...)
	}
	r.Total = r.over(all)
	r.Violations = g.sorted()
	return r
}

// missing counts the records found and not processed, and returns the number of them that the group had not reached.
func (g *Account) missing() (unprocessed int64) {
	g.found.EachMissing(g.taken, func(partition int32, offset int64) {
		cell := g.parts[partition].cellOf(offset)
		committed, known := g.end.Committed[partition]
		if !known || offset >= committed {
			g.cells[cell].unprocessed++
			unprocessed++
			return
		}
		g.cells[cell].lost++
		g.addEvidence("group_lost", cell, partition, offset, -1,
			fmt.Sprintf("partition %d, offset %d was processed by no member, and the group has committed offset %d", partition, offset, committed))
	})
	return unprocessed
}

func (p *part) cellOf(offset int64) int16 {
	i, exact := slices.BinarySearchFunc(p.borders, offset, func(b border, offset int64) int { return cmp.Compare(b.offset, offset) })
	if !exact {
		i--
	}
	return p.borders[i].cell
}

// addEvidence keeps evidence while there is room for it. at is the time of the sighting; below 0: none.
func (g *Account) addEvidence(kind string, cell int16, partition int32, offset int64, at time.Duration, why string) {
	of := evidenceOf{kind, cell}
	if cell == warmup || len(g.evidence[of]) >= g.config.EvidencePerKind {
		return
	}
	v := reports.Violation{Kind: kind, Stream: g.config.Stream, Window: g.config.Windows[cell-1], ID: fmt.Sprintf("%d/%d", partition, offset),
		Attempts: []reports.Try{}, Seen: []reports.Sighting{}, Why: why}
	if at >= 0 {
		v.Seen = append(v.Seen, reports.SightingAt(drivers.PositionIn(partition, offset), int64(at)))
	}
	g.evidence[of] = append(g.evidence[of], v)
}

// evidenceOf names the record or member that a violation is about.
type evidenceOf struct {
	kind string
	cell int16
}

// sorted is the evidence by kind, then by window, then in the order of finding.
func (g *Account) sorted() []reports.Violation {
	keys := slices.SortedFunc(maps.Keys(g.evidence), func(a, b evidenceOf) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.cell, b.cell))
	})
	all := []reports.Violation{}
	for _, of := range keys {
		all = append(all, g.evidence[of]...)
	}
	return all
}

func (c *cell) add(o *cell) {
	c.records += o.records
	c.lost += o.lost
	c.unprocessed += o.unprocessed
	c.redelivered += o.redelivered
	c.redeliveredRecords += o.redeliveredRecords
	c.rebalances += o.rebalances
	for kind, n := range o.struck {
		c.struck[kind] += n
	}
}

func (c *cell) report(rebalances []rebalance, unknown map[string]string) *reports.Group {
	found := func(name string, n int64) *int64 {
		if unknown[name] != "" && n == 0 {
			return nil
		}
		return &n
	}
	return &reports.Group{
		Records: c.records, Processed: c.records - c.lost - c.unprocessed, Unprocessed: c.unprocessed,
		Lost: found("group_lost", c.lost), Redelivered: found("redelivered", c.redelivered),
		RedeliveredRecords: found("redelivered_records", c.redeliveredRecords),
		Rebalances:         c.rebalances,
		Joins:              c.struck[drivers.Joined], Leaves: c.struck[drivers.Left], Freezes: c.struck[drivers.Froze], Deaths: c.struck[drivers.Died],
		FirstMessage: firstMessages(rebalances),
	}
}

// firstMessages is the distribution of the waits for a first record, exact to the nearest rank; nil without a rebalance.
func firstMessages(rebalances []rebalance) *reports.Latency {
	if len(rebalances) == 0 {
		return nil
	}
	var took []float64
	sum := 0.0
	for _, r := range rebalances {
		if r.took != nil {
			took = append(took, float64(*r.took))
			sum += float64(*r.took)
		}
	}
	slices.Sort(took)
	at := func(permille int) *float64 {
		if i := (len(rebalances)*permille + 999) / 1000; i <= len(took) {
			return &took[i-1]
		}
		return nil
	}
	unanswered := float64(len(rebalances) - len(took))
	l := &reports.Latency{P50: at(500), P90: at(900), P95: at(950), P99: at(990), P999: at(999), Unanswered: &unanswered}
	if n := len(took); n > 0 {
		mean := sum / float64(n)
		l.Min, l.Mean, l.Max = &took[0], &mean, &took[n-1]
	}
	return l
}
