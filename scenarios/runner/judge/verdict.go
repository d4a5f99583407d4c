package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// verdict decides the run. A violation that stands by itself is a fail in every case. Otherwise a reason that leaves the run
// undecided makes it inconclusive. Only then it is a pass.
func (f *Facts) verdict(run *reports.Run) {
	run.Validity = f.validity(run)
	if f.Relay != nil { // what failed may have failed for this
		f.leaveOpen(run.Gates, "links of the target failed", nil)
	}
	if f.Ending.Failure != nil { // so may what the run did not come to
		f.leaveOpen(run.Gates, "the harness failed", func(c metric.Class) bool { return c != metric.Integrity })
	}
	var failed, open []string
	for i := range run.Gates {
		g := &run.Gates[i]
		switch g.Verdict {
		case reports.Fail:
			observed, _ := reports.GateValues(g)
			failed = append(failed, fmt.Sprintf("%s: %s, %s", g.Expr, observed, g.Why))
		case reports.Inconclusive:
			open = append(open, g.Expr+": "+g.Why)
		}
	}
	failed = append(failed, f.unexplained()...)
	if len(run.Gates) == 0 {
		open = append(open, "nothing was expected: the scenario has no gates")
	}
	undecided := append(run.Validity.Why[:len(run.Validity.Why):len(run.Validity.Why)], open...)
	if f.Relay != nil { // and so may a part that ended
		undecided, failed = append(undecided, failed...), nil
	}
	switch {
	case len(failed) > 0:
		run.Verdict, run.Exit, run.Why = reports.Fail, reports.ExitFail, append(failed, undecided...)
	case len(undecided) > 0:
		run.Verdict, run.Exit, run.Why = reports.Inconclusive, reports.ExitInconclusive, undecided
	default:
		run.Verdict, run.Exit, run.Why = reports.Pass, reports.ExitPass, []string{allHeld(len(run.Gates))}
	}
	switch {
	case f.Ending.Failure != nil:
		run.Exit = reports.ExitHarness
	case f.Ending.Interrupted:
		run.Exit = reports.ExitInterrupted
	}
}

// leaveOpen takes the verdict of fail from gates of some classes, nil: of all, for a reason that may have caused it.
func (f *Facts) leaveOpen(gates []reports.Gate, why string, of func(metric.Class) bool) {
	for i := range gates {
		if g := &gates[i]; g.Verdict == reports.Fail && (of == nil || of(f.Scenario.Expect[i].Metric.Class)) {
			g.Verdict = reports.Inconclusive
			g.Why += "; " + why
		}
	}
}

func allHeld(gates int) string {
	if gates == 1 {
		return "its one gate held"
	}
	return fmt.Sprintf("all %d gates held", gates)
}

// validity reports whether the load generator and the faults followed the plan, and whether everything was observed.
func (f *Facts) validity(run *reports.Run) reports.Validity {
	v := reports.Validity{Verdict: reports.Valid, Why: []string{}, CPU: f.CPU, GCPauseP99NS: f.GCPause, LinkCostNS: f.LinkCosts, Machine: f.MachineSum}
	f.lag(&v)
	c := &f.Ending
	if c.Failure != nil {
		v.Why = append(v.Why, "the harness failed: "+c.Failure.Error())
	}
	if err := f.Unrecorded; err != nil {
		v.Why = append(v.Why, notWhole(err))
	}
	if err := f.Relay; err != nil {
		v.Why = append(v.Why, "links of the target failed: "+err.Error())
	}
	if c.Interrupted {
		v.Why = append(v.Why, fmt.Sprintf("interrupted after %s of %s", reports.Duration(float64(run.DurationNS)), reports.Duration(float64(run.PlannedNS))))
	}
	if c.Stopped.Why != "" {
		v.Why = append(v.Why, f.stoppedText(run))
	}
	if !c.Stopped.Unhealthy {
		v.Why = append(append(v.Why, f.unhealthyStreams(run)...), f.silentTopics(run)...)
	}
	v.Why = append(v.Why, f.unfaulted(run)...)
	for i := range f.Streams {
		if remedy := f.Streams[i].Shortage; remedy != "" {
			v.Why = append(v.Why, fmt.Sprintf("operations of stream %s never left the load generator: %s", f.Streams[i].Spec.Name, remedy))
		}
	}
	v.Why = append(v.Why, f.saturations()...)
	for _, name := range sortedKeys(c.Unobserved) {
		v.Why = append(v.Why, fmt.Sprintf("integrity of stream %s is not fully known: %s", name, c.Unobserved[name]))
	}
	for i := range f.Streams {
		for _, found := range f.Streams[i].Findings {
			if found.Open != "" {
				v.Why = append(v.Why, found.Open)
			}
		}
		for _, b := range f.Streams[i].broke() {
			v.Why = append(v.Why, b.Why)
		}
	}
	if len(v.Why) > 0 {
		v.Verdict = reports.Inconclusive
	}
	return v
}

func notWhole(err error) string { return "the record is not whole: " + err.Error() }

// saturations tell, by stream, in how many seconds the load generator was saturated.
func (f *Facts) saturations() []string {
	why := []string{}
	for _, name := range sortedKeys(f.Limited) {
		why = append(why, fmt.Sprintf("the load generator was saturated in %s of stream %s (operations later than run.max_lag, %s, or not sent, or CPU)",
			seconds(f.Limited[name]), name, reports.Duration(float64(f.Scenario.Run.MaxLag))))
	}
	return why
}

func seconds(n int) string {
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}

// lag sums up how late the load generator was, over all streams.
func (f *Facts) lag(v *reports.Validity) {
	var lag metrics.Hist
	for i := range f.Streams {
		total := &f.Streams[i].Tally.Total
		lag.Merge(&total.Lag)
		v.Dropped += total.Dropped
	}
	at := func(q float64) *int64 {
		if d, ok := lag.Rank(q, lag.Count()); ok {
			return new(int64(d))
		}
		return nil
	}
	v.LagP50NS, v.LagP99NS, v.LagMaxNS = at(0.5), at(0.99), at(1)
}

// unhealthyStreams names the streams that had no good answers before the first fault: then no fault explains later errors.
func (f *Facts) unhealthyStreams(run *reports.Run) []string {
	if dead := f.dead(run); len(dead) > 0 {
		return []string{NeverHealthy + ": " + strings.Join(dead, "; ")}
	}
	return nil
}

// dead tells of the streams that had nothing acked before the first fault.
func (f *Facts) dead(run *reports.Run) (dead []string) {
	for i := range f.Streams {
		name := f.Streams[i].Spec.Name
		m := f.Streams[i].over(run, faults.Baseline).measures
		if m == nil {
			m = &run.Streams[name].Total
		}
		if m.Offered > m.DroppedByUs && m.Acked == 0 {
			dead = append(dead, deadText(name, m))
		}
	}
	return dead
}

// unfaulted names the faults that were not injected, touched no traffic, or were not healed.
func (f *Facts) unfaulted(run *reports.Run) []string {
	var why []string
	c := &f.Ending
	for i := range run.Faults {
		r := &run.Faults[i]
		if i >= len(c.Injections) || !injected(&c.Injections[i]) {
			if !c.Interrupted && c.Stopped.Why == "" || r.Error != "" {
				why = append(why, fmt.Sprintf("fault %s was not injected%s", r.Title(), because(r.Error)))
			}
			continue
		}
		if !r.Healed {
			why = append(why, fmt.Sprintf("fault %s was not healed%s", r.Title(), because(r.Error)))
		}
		if late := tooLate(&f.Scenario.Faults[i], &c.Injections[i]); late != "" {
			why = append(why, fmt.Sprintf("fault %s %s", r.Title(), late))
		}
		if err := c.Injections[i].LapseErr; err != nil && r.Healed {
			why = append(why, err.Error())
		}
		if !r.Bit {
			why = append(why, fmt.Sprintf("fault %s %s", r.Title(), r.NotTouched()))
		}
	}
	return why
}

// tooLate explains why a fault was inactive for most of its window; it returns "" if it was not.
func tooLate(f *scenarios.Fault, in *faults.Injection) string {
	window := reports.Duration(float64(f.For))
	switch late, injecting := in.InjectAt-f.At, in.InjectedAt-in.InjectAt; {
	case late > f.For/2:
		return fmt.Sprintf("started %s late, so it was inactive for most of its %s window", reports.Duration(float64(late)), window)
	case injecting >= f.For:
		return fmt.Sprintf("took %s to come into force, and was to last %s: make it longer", reports.Duration(float64(injecting)), window)
	}
	return ""
}

func because(err string) string {
	if err == "" {
		return ""
	}
	return ": " + err
}

// silentTopics names the consumers that saw no record that they could judge, and the groups that were not tested.
func (f *Facts) silentTopics(run *reports.Run) []string {
	var why []string
	for i := range f.Streams {
		s := &f.Streams[i]
		if s.Spec.Consume == nil {
			continue
		}
		stream := run.Streams[s.Spec.Name]
		total := &stream.Total
		if s.Spec.Consume.Describe().Churned && len(stream.Strikes) == 0 {
			why = append(why, fmt.Sprintf("stream %s: its churn struck no member", s.Spec.Name))
		}
		switch {
		case total.Group != nil && total.Group.Records > 0:
			if s.GroupFailed != "" {
				why = append(why, fmt.Sprintf("stream %s: %s", s.Spec.Name, s.GroupFailed))
			}
		case total.Integrity == nil || metric.Zero(total.Integrity.Seen):
			why = append(why, fmt.Sprintf("stream %s: no record with an identity of its own was seen in %s", s.Spec.Name, s.Place))
		}
	}
	return why
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Unhealthy fills in the verdict of a run whose target did not even let the streams open.
func (f *Facts) Unhealthy(run *reports.Run, cause error) {
	run.Windows = []reports.Window{}
	for i := range f.Scenario.Expect {
		run.Gates = append(run.Gates, decide(&f.Scenario.Expect[i], missing(NeverHealthy)))
	}
	f.verdict(run)
	reason := NeverHealthy + ": " + cause.Error()
	run.Validity.Verdict, run.Validity.Why = reports.Inconclusive, []string{reason}
	run.Verdict, run.Exit, run.Why = reports.Inconclusive, reports.ExitInconclusive, []string{reason}
	run.Complete = true
}
