package runner

import (
	"slices"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// plan is what the scenario's times come to: the windows, and the slots that counts are kept in.
type plan struct {
	pieces []faults.Window
	names  []string       // of the windows, each once, in order of appearance
	index  map[string]int // of a name in names
	slots  *metrics.Slots
}

func newPlan(sc *scenarios.Scenario) *plan {
	p := &plan{index: make(map[string]int), pieces: faults.Windows(sc.Spans(), sc.Run.Duration)}
	cuts := make([]metrics.Span, 0, len(p.pieces))
	for _, w := range p.pieces {
		if _, ok := p.index[w.Name]; !ok {
			p.index[w.Name] = len(p.names)
			p.names = append(p.names, w.Name)
		}
		cuts = append(cuts, metrics.Span{Start: w.Start, End: w.End, Window: p.index[w.Name]})
	}
	p.slots = metrics.NewSlots(cuts)
	return p
}

// windowAt is the index of the window that holds t, WindowWarmup before the measured part.
func (p *plan) windowAt(t time.Duration) int {
	i := faults.WindowAt(p.pieces, t)
	if i < 0 {
		return reports.WindowWarmup
	}
	return p.index[p.pieces[i].Name]
}

// length is the time that a window's pieces cover up to the time until.
func (p *plan) length(name string, until time.Duration) time.Duration {
	return p.slots.Length(p.index[name], until)
}

// within says whether [start, end) lies in the window as a whole.
func (p *plan) within(window string, start, end time.Duration) bool {
	for _, w := range p.pieces {
		if w.Name == window && w.Start <= start && end <= w.End {
			return true
		}
	}
	return false
}

// linked says whether some fault breaks the stream's own connections.
func linked(sc *scenarios.Scenario, stream string) bool {
	return slices.ContainsFunc(sc.Faults, func(f scenarios.Fault) bool {
		link, _ := faults.CutBranch(f.Config.On().Link)
		return link == stream
	})
}
