package html

import "wringer/reports"

// detailTable tells what the first failed attempt of each code said, nil when none said anything.
func detailTable(name string, m *reports.Measures) *table {
	t := &table{Caption: name + ": what the first failed attempt of each code said", Class: "worded", Head: []string{"code", "said"}}
	for _, d := range m.FirstDetails() {
		t.Rows = append(t.Rows, row{Label: d.Label, Cells: []cell{words(d.Value)}})
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// messageTable tells what became of the messages within streaming calls.
func messageTable(run *reports.Run, name string) *table {
	head := append([]string{"calls"}, reports.MessageCounts()...)
	head = append(head, "first message p50", "first message p99", "gap p50", "gap p99", "first anomalies")
	t := byWindow(run, name, "messages within the calls, by window", head, func(m *reports.Measures) []cell { return messageCells(m.Messages) })
	t.Class = "worded"
	return t
}

func messageCells(m *reports.Messages) []cell {
	if m == nil {
		m = &reports.Messages{}
	}
	cells := []cell{count(m.Calls)}
	for _, name := range reports.MessageCounts() {
		cells = append(cells, number(reports.Measured(m.Count(name), reports.Count)))
	}
	evidence := cell{}
	for i, name := range reports.MessageCounts() {
		for _, anomaly := range reports.MessageAnomalies() {
			if n := m.Count(name); name == anomaly && n != nil && *n > 0 {
				cells[i+1].Class = "n bad"
			}
		}
		if e := m.Evidence[name]; e != "" {
			evidence.Notes = append(evidence.Notes, name+": "+e)
		}
	}
	for _, l := range []*reports.Latency{m.First, m.Gap} {
		if l == nil {
			l = &reports.Latency{}
			cells = append(cells, number(reports.NotMeasured), number(reports.NotMeasured))
			continue
		}
		cells = append(cells, number(reports.Percentile(l, l.P50)), number(reports.Percentile(l, l.P99)))
	}
	if len(evidence.Notes) == 0 {
		evidence.Notes = []string{"none"}
	}
	return append(cells, evidence)
}
