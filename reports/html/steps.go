package html

import "wringer/reports"

// stepTable tells one step of a chain by window, and in total.
func stepTable(run *reports.Run, stream string, step *reports.Step) *table {
	t := &table{Caption: stream + ": step " + step.Name + ", by window", Class: "worded", Head: []string{"window"}}
	t.Head = append(append(t.Head, reports.StepHead...), "failures by code")
	for _, window := range run.WindowNames() {
		m := step.Windows[window]
		if m == nil || m.Attempts == 0 {
			continue
		}
		note, fault := spans(run, window)
		t.Rows = append(t.Rows, row{Label: window, Note: note, Fault: fault, Cells: stepCells(m)})
	}
	t.Rows = append(t.Rows, row{Label: "total", Total: true, Cells: stepCells(&step.StepMeasures)})
	return t
}

func stepCells(m *reports.StepMeasures) []cell {
	var cells []cell
	for _, text := range m.Cells() {
		cells = append(cells, number(text))
	}
	failures := reports.Measures{Errors: m.Errors}
	return append(cells, codes(&failures))
}
