package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// overtakings are the injections of a run, by which operations were overtaken, in order of time.
type overtakings []overtaking

type overtaking struct {
	at    time.Duration
	fault string
	// end and healed are the fault's planned end, and when it was healed: operations that are due between meet it too.
	end, healed time.Duration
}

// overtakings lists the faults that were in force.
func (f *Facts) overtakings() overtakings {
	var all overtakings
	for i := range f.Ending.Injections {
		if in := &f.Ending.Injections[i]; i < len(f.Scenario.Faults) && injected(in) {
			planned := &f.Scenario.Faults[i]
			all = append(all, overtaking{in.InjectAt, planned.Name, planned.At + planned.For, in.HealedAt})
		}
	}
	slices.SortStableFunc(all, func(a, b overtaking) int { return int(a.at - b.at) })
	return all
}

// late is the injection in whose rest an operation was due; nil: none.
func (o overtakings) late(e *reports.Ended) *overtaking {
	for i := range o {
		if e.Op.Planned >= o[i].end && e.Op.Planned <= o[i].healed {
			return &o[i]
		}
	}
	return nil
}

// of is the injection that overtook an operation: the first one after its planned start; nil when it was over by then.
func (o overtakings) of(e *reports.Ended) *overtaking {
	for i := range o {
		if o[i].at > e.Op.Planned {
			if o[i].at <= e.Done {
				return &o[i]
			}
			return nil
		}
	}
	return nil
}

// overtaken are the overtaken operations of some windows.
type overtaken struct {
	all overtakings
	// long is from when on an operation has waited long: twice the 99th percentile of those answered before any injection. 0:
	// none was answered.
	long  time.Duration
	ended []*reports.Ended
}

// overtaken finds the overtaken operations of a cell.
func (o overtakings) overtaken(cell *metrics.Cell) overtaken {
	found := overtaken{all: o}
	if cell == nil {
		return found
	}
	for _, e := range cell.Overtaken {
		if o.of(e) != nil || o.late(e) != nil {
			found.ended = append(found.ended, e)
		}
	}
	if len(found.ended) == 0 {
		return found
	}
	rest := cell.Without(found.ended)
	if p99, ok := rest.Response.Rank(0.99, rest.Response.Count()); ok {
		found.long = 2 * p99
	}
	return found
}

// short says whether an operation was overtaken before it had waited long.
func (o *overtaken) short(e *reports.Ended) bool {
	if o.all.late(e) != nil {
		return true
	}
	by := o.all.of(e)
	return by != nil && o.long > 0 && by.at-e.Op.Planned <= o.long
}

// spared are the operations that were overtaken before they had waited long.
func (o *overtaken) spared() (ended []*reports.Ended) {
	for _, e := range o.ended {
		if o.short(e) {
			ended = append(ended, e)
		}
	}
	return ended
}

// leftOut tells how many operations were left out, by the faults that overtook them.
func (o overtakings) leftOut(ended []*reports.Ended) string {
	counts := make(map[string]int64)
	var names, parts []string
	for _, e := range ended {
		name := ""
		if by := o.late(e); by != nil {
			name = "due before " + by.fault + " was healed"
		} else {
			name = "overtaken by " + o.of(e).fault
		}
		if counts[name] == 0 {
			names = append(names, name)
		}
		counts[name]++
	}
	for i, name := range names {
		operations := "operations "
		switch {
		case i > 0:
			operations = ""
		case counts[name] == 1:
			operations = "operation "
		}
		parts = append(parts, fmt.Sprintf("%s %s%s", reports.Count(counts[name]), operations, name))
	}
	return strings.Join(parts, ", ") + " left out"
}

// overtakes fills in how many operations of each window of a stream were overtaken, and how many had waited long.
func (s *Stream) overtakes(run *reports.Run, all overtakings) {
	out := run.Streams[s.Spec.Name]
	if out == nil {
		return
	}
	for name, m := range out.Windows {
		found := all.overtaken(s.Tally.Over(s.Tally.plan.Named(name)))
		for _, e := range found.ended {
			if all.of(e) == nil {
				continue // due in the rest of a fault
			}
			m.Overtaken++
			if !found.short(e) {
				m.OvertakenLong++
			}
		}
		out.Total.Overtaken += m.Overtaken
		out.Total.OvertakenLong += m.OvertakenLong
	}
}

// spare judges a gate on a window once more that is violated: without the operations that a fault overtook before they had
// waited long. The first judgement stands unless the gate then holds.
func (f *Facts) spare(g *scenarios.Gate, run *reports.Run, first reports.Gate) reports.Gate {
	if g.Scope.Window == "" || first.Verdict == reports.Pass {
		return first
	}
	s := f.stream(g.Stream)
	over := s.over(run, g.Scope.Window)
	all := f.overtakings()
	found := all.overtaken(over.cell)
	gone := found.spared()
	if len(gone) == 0 {
		return first
	}
	again := first
	if w := s.Tally.worstOf(g); w != nil {
		again, gone = w.decideWithout(&found)
	} else {
		over.cell = over.cell.Without(gone)
		again = decide(g, f.readOver(g, run, over))
	}
	if again.Verdict != reports.Pass || len(gone) == 0 {
		return first
	}
	again.Why += "; " + all.leftOut(gone)
	return again
}

// rowsBefore are the seconds of a stream, in which those before the time start leave out what was overtaken before it had waited
// long.
func (s *Stream) rowsBefore(rows []reports.Second, all overtakings, start time.Duration) []reports.Second {
	spared := make(map[int][]*reports.Ended)
	plan := s.Tally.plan
	for w := range s.Tally.Windows {
		if len(s.Tally.Windows[w].Overtaken) == 0 {
			continue
		}
		found := all.overtaken(s.Tally.Over(plan.Over(plan.Names[w])))
		for _, e := range s.Tally.Windows[w].Overtaken {
			if found.short(e) {
				second := int(e.Op.Planned / time.Second)
				spared[second] = append(spared[second], e)
			}
		}
	}
	if len(spared) == 0 {
		return rows
	}
	rows = slices.Clone(rows)
	for i := range rows {
		second := int(time.Duration(rows[i].StartNS) / time.Second)
		if gone := spared[second]; len(gone) > 0 && time.Duration(rows[i].StartNS)+time.Second <= start {
			s.Tally.leaveOut(&rows[i], second, gone)
		}
	}
	return rows
}

// leaveOut takes operations out of a row. Its times are those without any overtaken operation.
func (t *Tally) leaveOut(row *reports.Second, second int, gone []*reports.Ended) {
	var less metrics.Cell
	for _, e := range gone {
		less.End(e, time.Hour)
	}
	row.Counts.Subtract(less.Counts)
	kept := t.rows[second]
	if kept == nil || len(gone) < kept.Overtaken {
		return // what had waited long stands
	}
	row.P50NS, row.P99NS, row.MaxNS, row.BestP99NS = kept.Without.P50NS, kept.Without.P99NS, kept.Without.MaxNS, kept.Without.BestP99NS
}
