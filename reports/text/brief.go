package text

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"wringer/reports"
	"wringer/reports/sections"
)

// longest is the most lines of a summary that is told in full. In place of a longer one stands a brief one, of two screens.
const longest = 200

// The most rows of each part of a brief summary. A row takes one to three lines.
const (
	briefGates    = 6
	briefStreams  = 10
	briefChanges  = 6
	briefDefects  = 6
	briefFaults   = 4
	briefFindings = 4
)

// brief writes what failed or changed, then totals.
func (s *sheet) brief(run *reports.Run) {
	s.headline(run)
	gates := sections.Gates(run)
	s.short(gates, briefGates, "more did not hold", func(r *sections.Row) bool { return r.Verdict != reports.Pass }, gates.Aside)
	s.streams(run)
	changes := sections.Changes(run)
	changes.Notes = nil
	s.changes(keep(changes, changed), briefChanges)
	s.short(sections.Integrity(run), briefDefects, "more", nil, "")
	faults := sections.Faults(run)
	odd := keep(faults, func(r *sections.Row) bool { return r.Verdict != reports.Valid })
	faults.Notes = nil
	s.short(faults, briefFaults, "more", func(r *sections.Row) bool { return r.Verdict != reports.Valid },
		fmt.Sprintf("%d of %d injections were as planned: they touched traffic and were healed", len(faults.Rows)-len(odd.Rows), len(faults.Rows)))
	s.short(sections.Findings(run), briefFindings, "more", nil, "")
	s.part(sections.Validity(run))
	s.title("The rest", "")
	s.wrap("  ", "this is what failed or changed; the report has all of it, and so has the summary with --verbose, or of wringer report")
}

// keep returns the section with those rows alone.
func keep(p sections.Section, wanted func(*sections.Row) bool) sections.Section {
	p.Rows = slices.DeleteFunc(slices.Clone(p.Rows), func(r sections.Row) bool { return !wanted(&r) })
	return p
}

// short writes the first rows and notes of a section, how many there are more, and what sums it up. wanted picks the rows; nil: all.
func (s *sheet) short(p sections.Section, most int, more string, wanted func(*sections.Row) bool, sum string) {
	if p.Empty() {
		return
	}
	if wanted != nil {
		p = keep(p, wanted)
	}
	left := 0
	if n := len(p.Rows); n > most {
		p.Rows, left = p.Rows[:most], n-most
	}
	if n := len(p.Notes); n > most {
		p.Notes, left = p.Notes[:most], left+n-most
	}
	p.Notes = slices.Clone(p.Notes)
	if left > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("and %d %s", left, more))
	}
	if sum != "" {
		p.Notes = append(p.Notes, sum)
	}
	s.part(p)
}

// changed says that a window of a stream differs from its baseline for the worse.
func changed(r *sections.Row) bool {
	return slices.ContainsFunc(r.Cells, func(c sections.Cell) bool { return c.State == sections.Bad })
}

// changes writes the windows that changed, each in a line or two.
func (s *sheet) changes(p sections.Section, most int) {
	if len(p.Rows) == 0 {
		return
	}
	s.title(p.Title, fmt.Sprintf("%d that changed for the worse", len(p.Rows)))
	for i := range p.Rows[:min(len(p.Rows), most)] {
		r := &p.Rows[i]
		var parts []string
		for _, c := range r.Cells[1:] {
			if text := c.Sentence(); text != "" {
				parts = append(parts, text)
			}
		}
		s.wrap("  ", r.Cells[0].Text+" in "+r.Label+": "+strings.Join(parts, "; "))
	}
	if left := len(p.Rows) - most; left > 0 {
		s.wrap("  ", fmt.Sprintf("and %d more", left))
	}
}

// streams writes the totals of the streams in trouble, and of all together.
func (s *sheet) streams(run *reports.Run) {
	failed := make(map[string]int)
	for i := range run.Gates {
		if run.Gates[i].Verdict == reports.Fail {
			failed[run.Gates[i].Stream]++
		}
	}
	share := func(name string) float64 {
		if e := run.Streams[name].Total.ErrorShare(); e != nil {
			return *e
		}
		return 0
	}
	names := slices.DeleteFunc(run.StreamNames(), func(name string) bool { return run.Streams[name].Consumes() })
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(failed[b], failed[a]), cmp.Compare(share(b), share(a)))
	})
	table := sections.Section{Title: "Streams"}
	var all reports.Counts
	odd := 0
	for i, name := range names {
		all.Add(run.Streams[name].Total.Counts)
		if i >= briefStreams {
			if failed[name] > 0 || share(name) > 0 {
				odd++
			}
			continue
		}
		if row, head, ok := totalOf(run, name); ok {
			table.Head, table.Rows = head, append(table.Rows, row)
		}
	}
	if left := len(names) - briefStreams; left > 0 {
		note := fmt.Sprintf("and %d more, without a failed gate or an error", left)
		if odd > 0 {
			note = fmt.Sprintf("and %d more, %d of them with a failed gate or errors", left, odd)
		}
		table.Notes = append(table.Notes, note)
	}
	table.Notes = append(table.Notes, fmt.Sprintf("all %d streams: %s offered, %s acked, %s rejected, %s indeterminate, %s dropped, %s retries", len(names),
		reports.Count(all.Offered), reports.Count(all.Acked), reports.Count(all.Rejected), reports.Count(all.Indeterminate), reports.Count(all.Dropped), reports.Count(all.Retries)))
	s.part(table)
}

// totalOf is the total of a stream's operations, under its name.
func totalOf(run *reports.Run, name string) (row sections.Row, head []sections.Column, ok bool) {
	for _, p := range sections.For(run, name) {
		if p.Name != sections.NameOperations {
			continue
		}
		p = p.Within(sections.Vital)
		row = p.Rows[len(p.Rows)-1]
		row.Label, row.Total = name, false
		head = slices.Clone(p.Head)
		head[0].Name = "stream"
		return row, head, true
	}
	return row, nil, false
}
