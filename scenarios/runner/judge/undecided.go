package judge

import (
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
)

// undecided takes the verdict from a gate that nothing decides: its fault was not in force, or its stream was never healthy.
// Integrity stands by its own evidence, whatever happened.
func (f *Facts) undecided(g *scenarios.Gate, run *reports.Run, gate reports.Gate) reports.Gate {
	if g.Metric.Class == metric.Integrity {
		return gate
	}
	why := f.notInForce(g, run)
	if why == "" && gate.Verdict == reports.Fail {
		why = f.stillBroken(g, run)
	}
	seen := g.Metric.Needs.Sending == metric.Effects // what was seen needs no answer
	if why == "" && !seen && f.stream(g.Stream).dead(run) {
		why = neverAnswered
	}
	if why != "" {
		gate.Verdict, gate.Why = reports.Inconclusive, why
		if gate.Saved != nil {
			gate.Saved.Unmet = false // it lacks more than a saved value
		}
	}
	return gate
}

const neverAnswered = NeverHealthy + ": nothing was answered before anything was broken"

// dead says that a stream got no answer, of whatever status, before the first fault; without a time before the first fault, in
// the whole run.
func (s *Stream) dead(run *reports.Run) bool {
	cell := s.over(run, faults.Baseline).cell
	if cell == nil || cell.Offered == 0 {
		cell = &s.Tally.Total
	}
	return cell.Offered > cell.DroppedByUs && cell.Partial == 0 && cell.Response.Count() == 0 && cell.Service.Count() == 0
}

// notInForce says why the fault that the window of a gate belongs to was not in force; empty when it was, and when the window
// belongs to no fault. Of several rounds, those that the run did not come to do not count, unless it came to none.
func (f *Facts) notInForce(g *scenarios.Gate, run *reports.Run) string {
	rounds, reached := 0, 0
	for i := range run.Faults {
		r := &run.Faults[i]
		during := g.Scope.Window == r.Name
		if !during && g.Scope.Window != faults.After(r.Name) {
			continue
		}
		rounds++
		if i >= len(f.Ending.Injections) || f.Ending.Injections[i].Step == faults.Waiting {
			continue
		}
		reached++
		in := &f.Ending.Injections[i]
		switch {
		case in.InjectErr != nil:
			return notForced(r, "it could not be injected")
		case !r.Bit && in.Step == faults.Ended:
			return notForced(r, notTouched(r))
		case !during && f.leftInForce(in):
			return "the fault was not healed, and may have been in force"
		case during && in.LapseErr != nil:
			return notForced(r, "something else undid it, for a part of its time")
		case during && tooLate(&f.Scenario.Faults[i], in) != "":
			return notForced(r, "it "+tooLate(&f.Scenario.Faults[i], in))
		}
	}
	if rounds == 0 || reached > 0 {
		return ""
	}
	return "the fault was not in force: it was not injected"
}

// leftInForce says that a fault was not undone by the run's own failure. That a part did not come back may be the part's own.
func (f *Facts) leftInForce(in *faults.Injection) bool {
	config := f.Scenario.Faults[in.Index].Config
	own := config.On().Part == "" || config.Kind() == commandKind
	return own && (in.HealErr != nil || in.ProbeErr != nil)
}

// stillBroken says which fault was not undone by the run's own failure before a gate's window began; empty: none.
func (f *Facts) stillBroken(g *scenarios.Gate, run *reports.Run) string {
	begun := int64(-1)
	for _, w := range run.WindowsOf(g.Stream) {
		if g.Scope.Window != "" && w.Covers(g.Scope.Window) && (begun < 0 || w.StartNS < begun) {
			begun = w.StartNS
		}
	}
	for i := range f.Ending.Injections {
		if in := &f.Ending.Injections[i]; f.leftInForce(in) && begun >= int64(f.Scenario.Faults[in.Index].End()) {
			return "fault " + in.Name + " was not healed, and may have been in force"
		}
	}
	return ""
}

// notTouched says it in short: the reasons of the verdict say the rest.
func notTouched(r *reports.Fault) string {
	if r.Unmeasured != "" {
		return "it touched nothing that can be shown"
	}
	return "it touched no traffic"
}

func notForced(r *reports.Fault, why string) string {
	if r.Round > 0 {
		return "the fault was not in force from " + reports.Duration(float64(r.StartNS)) + " on: " + why
	}
	return "the fault was not in force: " + why
}
