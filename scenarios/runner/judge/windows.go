package judge

import (
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// Plan is what the scenario's times come to: the windows, and the slots that counts are kept in.
type Plan struct {
	Pieces []faults.Window
	Names  []string       // of the windows, each once, in order of appearance
	Index  map[string]int // of a name in Names
	Slots  *metrics.Slots
}

// NewPlan makes the plan of a scenario.
func NewPlan(sc *scenarios.Scenario) *Plan {
	p := &Plan{Index: make(map[string]int), Pieces: faults.Windows(sc.Spans(), sc.Run.Duration)}
	cuts := make([]metrics.Span, 0, len(p.Pieces))
	for _, w := range p.Pieces {
		if _, ok := p.Index[w.Name]; !ok {
			p.Index[w.Name] = len(p.Names)
			p.Names = append(p.Names, w.Name)
		}
		cuts = append(cuts, metrics.Span{Start: w.Start, End: w.End, Window: p.Index[w.Name]})
	}
	p.Slots = metrics.NewSlots(cuts)
	return p
}

// WindowAt is the index of the window that holds t, WindowWarmup before the measured part.
func (p *Plan) WindowAt(t time.Duration) int {
	i := faults.WindowAt(p.Pieces, t)
	if i < 0 {
		return reports.WindowWarmup
	}
	return p.Index[p.Pieces[i].Name]
}

// Length is the time that a window's pieces cover up to the time until.
func (p *Plan) Length(name string, until time.Duration) time.Duration {
	return p.Slots.Length(p.Index[name], until)
}

// within says whether [start, end) lies in the window as a whole.
func (p *Plan) within(window string, start, end time.Duration) bool {
	for _, w := range p.Pieces {
		if w.Name == window && w.Start <= start && end <= w.End {
			return true
		}
	}
	return false
}
