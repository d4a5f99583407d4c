package html

import (
	"slices"

	"wringer/reports"
)

// groupTable tells what became of a topic's records in a group of consumers.
func groupTable(run *reports.Run, name string) *table {
	s := run.Streams[name]
	t := &table{Caption: name + ": the group of consumers, by window", Class: "dense", Head: []string{"window"}}
	for _, head := range reports.GroupHead() {
		t.Head = append(t.Head, soft.Replace(head))
	}
	for _, window := range run.WindowNames() {
		m := s.Windows[window]
		if m == nil || m.Group == nil {
			continue
		}
		note, fault := spans(run, window)
		t.Rows = append(t.Rows, row{Label: window, Note: note, Fault: fault, Cells: groupCells(m.Group)})
	}
	t.Rows = append(t.Rows, row{Label: "total", Total: true, Cells: groupCells(s.Total.Group)})
	return t
}

func groupCells(g *reports.Group) []cell {
	var cells []cell
	for _, text := range g.GroupCells() {
		cells = append(cells, number(text))
	}
	if lost := g.Count("group_lost"); lost != nil && *lost > 0 {
		cells[slices.Index(reports.GroupNames(), "group_lost")].Class = "n bad"
	}
	return cells
}

// strikeTable tells what the churn did to the members, in order.
func strikeTable(name string, strikes []reports.Strike) *table {
	t := &table{Caption: name + ": what struck the members", Head: []string{"strike", "member", "at", "back at"}}
	for _, s := range strikes {
		t.Rows = append(t.Rows, row{Label: s.Kind, Cells: []cell{
			count(int64(s.Member)), number(reports.Moment(s.AtNS)), number(reports.Measured(s.BackNS, reports.Moment)),
		}})
	}
	return t
}
