package html

import (
	"strings"

	"wringer/reports"
)

// probeTables are those of what a witness saw arrive and of replays, where the stream had them.
func probeTables(run *reports.Run, name string) []*table {
	var tables []*table
	if run.Streams[name].Total.Witness != nil {
		tables = append(tables, witnessTable(run, name))
	}
	if run.Streams[name].Total.Replays != nil {
		tables = append(tables, replayTable(run, name))
	}
	return tables
}

func witnessTable(run *reports.Run, name string) *table {
	head := []string{"attempts sent", "arrivals", "not arrived", "cut short", "answered", "operations arrived", "arrived twice", "most arrivals", "hidden arrivals"}
	t := byWindow(run, name, "what arrived at the target, by window", head, func(m *reports.Measures) []cell {
		var cells []cell
		for _, count := range reports.WitnessNames() {
			c := number(reports.WitnessCount(m.Witness, count))
			if n := m.Witness.Count(count); count == "hidden_arrivals" && n != nil && *n > 0 {
				c.Class = "n bad"
			}
			cells = append(cells, c)
		}
		return cells
	})
	t.Class = "dense"
	return t
}

func replayTable(run *reports.Run, name string) *table {
	head := []string{"replayed", "honoured", "violations", "deviations", "undecided", "skipped", "by way"}
	t := byWindow(run, name, "operations sent again with their key, by window", head, func(m *reports.Measures) []cell {
		r := m.Replays
		if r == nil {
			r = &reports.Replays{}
		}
		ways := r.Ways()
		if len(ways) == 0 {
			ways = []string{"none"}
		}
		return []cell{
			count(r.Sent), count(r.Honoured), unwanted(r.Violations), count(r.Deviations), count(r.Undecided), count(r.Skipped),
			{Notes: ways},
		}
	})
	t.Class = strings.TrimSpace("worded " + t.Class)
	return t
}
