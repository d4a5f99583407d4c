package main

import (
	"slices"
	"strings"
	"time"

	"wringer/scenarios/runner"
)

// ruler draws the timeline: a dot for time to come, a line for time gone by, and a mark for now. A phase is a double line, dotted
// while it is to come. A tick shows where a named step of a stream begins. A fault is a block, or a dashed line when it was not
// injected. A fault takes time from a phase and from a step.
func ruler(p runner.Progress, length time.Duration, width int) string {
	if length <= 0 || width < 10 {
		return ""
	}
	cells := []rune(strings.Repeat("·", width))
	at := func(d time.Duration) int { return min(max(int(int64(d)*int64(width)/int64(length)), 0), width-1) }
	for i := 0; i < at(p.At); i++ {
		cells[i] = '─'
	}
	for _, phase := range p.Phases {
		for i := at(phase.Start); i <= at(phase.End-1); i++ {
			if cells[i] = '∷'; i < at(p.At) {
				cells[i] = '═'
			}
		}
	}
	for _, step := range p.Steps {
		cells[at(step.Start)] = '┴'
	}
	for _, f := range p.Faults {
		for i := at(f.Start); i <= at(f.End-1); i++ {
			switch {
			case missed(p, &f):
				cells[i] = '╌'
			case i < at(p.At):
				cells[i] = '█'
			default:
				cells[i] = '▒'
			}
		}
	}
	cells[at(p.At)] = '┃'
	return " " + string(cells)
}

// missed says whether a fault was not injected, and will not be.
func missed(p runner.Progress, f *runner.FaultProgress) bool {
	return f.State == "waiting" && (p.Stopped != "" || p.At >= f.End)
}

// faultNames puts the names of the faults under the ruler, each where its fault begins, as long as there is room.
func faultNames(faults []runner.FaultProgress, length time.Duration, width int) string {
	if length <= 0 || width < 10 {
		return ""
	}
	cells := []rune(strings.Repeat(" ", width+1))
	free := 1
	for _, f := range slices.SortedFunc(slices.Values(faults), func(a, b runner.FaultProgress) int { return int(a.Start - b.Start) }) {
		at, name := 1+min(max(int(int64(f.Start)*int64(width)/int64(length)), 0), width-1), []rune(clip(f.Name, width))
		at = min(at, len(cells)-len(name)) // the name of a late fault ends with the ruler
		if at < free {
			continue
		}
		copy(cells[at:], name)
		free = at + len(name) + 1
	}
	return strings.TrimRight(string(cells), " ")
}

// rulerLegend explains the signs that a ruler has.
func rulerLegend(p runner.Progress) string {
	parts := []string{"┃ now"}
	if len(p.Faults) > 0 {
		parts = append(parts, "█ fault", "▒ fault to come")
	}
	if slices.ContainsFunc(p.Faults, func(f runner.FaultProgress) bool { return missed(p, &f) }) {
		parts = append(parts, "╌ not injected")
	}
	if len(p.Phases) > 0 {
		parts = append(parts, "═ phase")
	}
	if len(p.Steps) > 0 {
		parts = append(parts, "┴ step")
	}
	return " " + strings.Join(parts, "   ")
}
