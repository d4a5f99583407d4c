package runner

import (
	"fmt"
	"strings"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
)

// verdict decides the run. What stands by its own evidence is fail whatever else happened; then whatever leaves the run
// undecided is inconclusive; only then pass.
func (t *trial) verdict(run *reports.Run, c conclusion) {
	run.Validity = t.validity(run, c)
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
	if len(run.Gates) == 0 {
		open = append(open, "nothing was expected: the scenario has no gates")
	}
	undecided := append(run.Validity.Why[:len(run.Validity.Why):len(run.Validity.Why)], open...)
	switch {
	case len(failed) > 0:
		run.Verdict, run.Exit, run.Why = reports.Fail, reports.ExitFail, append(failed, undecided...)
	case len(undecided) > 0:
		run.Verdict, run.Exit, run.Why = reports.Inconclusive, reports.ExitInconclusive, undecided
	default:
		run.Verdict, run.Exit, run.Why = reports.Pass, reports.ExitPass, []string{allHeld(len(run.Gates))}
	}
	switch {
	case c.failure != nil:
		run.Exit = reports.ExitHarness
	case c.interrupted:
		run.Exit = reports.ExitInterrupted
	}
}

func allHeld(gates int) string {
	if gates == 1 {
		return "its one gate held"
	}
	return fmt.Sprintf("all %d gates held", gates)
}

// validity says whether the generator and the faults did what the plan said, and whether everything was observed.
func (t *trial) validity(run *reports.Run, c conclusion) reports.Validity {
	v := reports.Validity{Verdict: reports.Valid, Why: []string{}, CPU: t.machine.mean(), GCPauseP99NS: t.machine.pauseP99(), LinkCostNS: t.linkCosts}
	t.lag(&v)
	if c.failure != nil {
		v.Why = append(v.Why, "the harness failed: "+c.failure.Error())
	}
	if err := t.collector.failure; err != nil {
		v.Why = append(v.Why, "the record is not whole: "+err.Error())
	}
	if c.interrupted {
		v.Why = append(v.Why, fmt.Sprintf("interrupted after %s of %s", reports.Duration(float64(run.DurationNS)), reports.Duration(float64(run.PlannedNS))))
	}
	if c.stopped.why != "" {
		v.Why = append(v.Why, c.stopped.why)
	}
	if !c.stopped.unhealthy {
		v.Why = append(append(v.Why, t.unhealthyStreams(run)...), t.silentTopics(run)...)
	}
	v.Why = append(v.Why, t.unfaulted(run, c)...)
	for _, name := range sortedKeys(t.collector.limited) {
		v.Why = append(v.Why, fmt.Sprintf("the generator was the limit in %s of stream %s (schedule lag, its own drops, or CPU)", seconds(t.collector.limited[name]), name))
	}
	for _, name := range sortedKeys(c.unknown) {
		v.Why = append(v.Why, fmt.Sprintf("integrity of stream %s is not fully known: %s", name, c.unknown[name]))
	}
	for _, name := range sortedKeys(t.blind) {
		v.Why = append(v.Why, fmt.Sprintf("arrivals of stream %s are not fully known: %s", name, t.blind[name]))
	}
	if len(v.Why) > 0 {
		v.Verdict = reports.Inconclusive
	}
	return v
}

func seconds(n int) string {
	if n == 1 {
		return "1 second"
	}
	return fmt.Sprintf("%d seconds", n)
}

// lag sums up how late the generator was, over all streams.
func (t *trial) lag(v *reports.Validity) {
	var lag metrics.Hist
	for _, tally := range t.tallies {
		lag.Merge(&tally.total.Lag)
		v.Dropped += tally.total.Dropped
	}
	at := func(q float64) *int64 {
		if d, ok := lag.Rank(q, lag.Count()); ok {
			return integer(int64(d))
		}
		return nil
	}
	v.LagP50NS, v.LagP99NS, v.LagMaxNS = at(0.5), at(0.99), at(1)
}

// unhealthyStreams names the streams whose target answered nothing well before anything was broken: then no fault explains
// what follows.
func (t *trial) unhealthyStreams(run *reports.Run) []string {
	var dead []string
	for _, s := range t.streams {
		m := run.Streams[s.spec.Name].Windows[faults.Baseline]
		if m == nil {
			m = &run.Streams[s.spec.Name].Total
		}
		if m.Offered > 0 && m.Acked == 0 {
			dead = append(dead, s.spec.Name)
		}
	}
	switch len(dead) {
	case 0:
		return nil
	case 1:
		return []string{"the target was never healthy: no operation of stream " + dead[0] + " was acked"}
	}
	return []string{"the target was never healthy: no operation of the streams " + strings.Join(dead, ", ") + " was acked"}
}

// unfaulted names the faults that did not do, or not undo, what they were for.
func (t *trial) unfaulted(run *reports.Run, c conclusion) []string {
	var why []string
	for i := range run.Faults {
		f := &run.Faults[i]
		if i >= len(c.injections) || !injected(&c.injections[i]) {
			if !c.interrupted && c.stopped.why == "" || f.Error != "" {
				why = append(why, fmt.Sprintf("fault %s was not injected%s", f.Title(), because(f.Error)))
			}
			continue
		}
		if !f.Healed {
			why = append(why, fmt.Sprintf("fault %s was not healed%s", f.Title(), because(f.Error)))
		}
		if late := tooLate(&t.sc.Faults[i], &c.injections[i]); late != "" {
			why = append(why, fmt.Sprintf("fault %s %s", f.Title(), late))
		}
		if !f.Bit {
			why = append(why, fmt.Sprintf("fault %s never bit: no byte, connection or request met it", f.Title()))
		}
	}
	return why
}

// tooLate says why most of a fault's windows may look at what was whole; empty when they do not.
func tooLate(f *scenarios.Fault, in *faults.Injection) string {
	whole := reports.Duration(float64(f.For))
	switch late, took := in.InjectAt-f.At, in.InjectedAt-in.InjectAt; {
	case late > f.For/2:
		return fmt.Sprintf("was injected %s late, and its windows look at %s: most of it without the fault", reports.Duration(float64(late)), whole)
	case took >= f.For:
		return fmt.Sprintf("took %s to come into force, and was to last %s: make it longer", reports.Duration(float64(took)), whole)
	}
	return ""
}

func because(err string) string {
	if err == "" {
		return ""
	}
	return ": " + err
}

// unhealthy is the record of a run whose target could not even be prepared for.
func (t *trial) unhealthy(cause error) (*reports.Run, error) {
	t.begin()
	t.machine, t.collector = newMachine(t.opt.Network.Virtual), &collector{t: t}
	// Streams that were opened before this one sent nothing.
	t.streams, t.tallies = nil, nil
	run := t.record(0, 0)
	run.Windows = []reports.Window{}
	for i := range t.sc.Expect {
		run.Gates = append(run.Gates, judge(&t.sc.Expect[i], judgement{observation: missing("the target was never healthy")}))
	}
	t.verdict(run, conclusion{})
	reason := "the target was never healthy: " + cause.Error()
	run.Validity.Verdict, run.Validity.Why = reports.Inconclusive, []string{reason}
	run.Verdict, run.Exit, run.Why = reports.Inconclusive, reports.ExitInconclusive, []string{reason}
	run.Complete = true
	t.redact(run, nil)
	return run, t.book.finish(run, nil)
}

// redact replaces the values that came from the environment in everything that may quote a target or an error.
func (t *trial) redact(run *reports.Run, violations []reports.Violation) {
	list := func(texts []string) {
		for i := range texts {
			texts[i] = t.sc.Redact(texts[i])
		}
	}
	list(run.Why)
	list(run.Validity.Why)
	for i := range run.Gates {
		run.Gates[i].Why = t.sc.Redact(run.Gates[i].Why)
		run.Gates[i].Expr = t.sc.Redact(run.Gates[i].Expr)
	}
	for i := range run.Faults {
		run.Faults[i].Error, run.Faults[i].Spec = t.sc.Redact(run.Faults[i].Error), t.sc.Redact(run.Faults[i].Spec)
	}
	for i := range run.Findings {
		run.Findings[i].Text = t.sc.Redact(run.Findings[i].Text)
	}
	for _, s := range run.Streams {
		t.redactDetails(&s.Total)
		for _, m := range s.Windows {
			t.redactDetails(m)
		}
	}
	for i := range violations {
		for j := range violations[i].Attempts {
			at := &violations[i].Attempts[j]
			at.Detail = t.sc.Redact(at.Detail)
		}
	}
}

// witnessed is what the target saw of its own parts.
func (t *trial) witnessed() []reports.Finding {
	w, ok := t.target.(scenarios.Witness)
	if !ok {
		return nil
	}
	var out []reports.Finding
	for _, text := range w.Events() {
		out = append(out, reports.Finding{Kind: "target", Text: text})
	}
	return out
}

func (t *trial) redactDetails(m *reports.Measures) {
	for code, detail := range m.Details {
		m.Details[code] = t.sc.Redact(detail)
	}
}

// messageFindings tells of messages lost, copied or out of order that no gate asked for.
func messageFindings(stream string, m *reports.Messages, gated map[string]bool) []reports.Finding {
	var out []reports.Finding
	for _, name := range reports.MessageAnomalies() {
		metric := "messages_" + name
		if n := m.Count(name); n != nil && *n > 0 && !gated[stream+"."+metric] {
			out = append(out, reports.Finding{Kind: metric, Stream: stream, Text: fmt.Sprintf("stream %s: %s is %d, and no gate looks at it%s",
				stream, metric, *n, because(m.Evidence[name]))})
		}
	}
	return out
}

// findings tells of anomalies that no gate asked for.
func findings(run *reports.Run) []reports.Finding {
	gated := make(map[string]bool)
	for _, g := range run.Gates {
		gated[g.Stream+"."+g.Metric] = true
	}
	out := []reports.Finding{}
	for _, name := range sortedKeys(run.Streams) {
		s := run.Streams[name]
		for _, metric := range append(reports.Anomalies(), reports.ProbeAnomalies()...) {
			if gated[name+"."+metric] {
				continue
			}
			if n := s.Total.Count(metric); n != nil && *n > 0 {
				out = append(out, reports.Finding{Kind: metric, Stream: name, Text: fmt.Sprintf("stream %s: %s is %d, and no gate looks at it", name, metric, *n)})
			}
		}
		if g := s.Total.Group; g != nil && g.Unprocessed > 0 {
			out = append(out, reports.Finding{Kind: "unprocessed", Stream: name, Text: fmt.Sprintf(
				"stream %s: its group had not come to %s records when the drain was over; a longer run.drain gives it the time", name, reports.Count(g.Unprocessed))})
		}
		out = append(out, messageFindings(name, s.Total.Messages, gated)...)
		if !s.Consumes() && !gated[name+".errors"] && !gated[name+".within"] {
			out = append(out, reports.Finding{Kind: "ungated", Stream: name, Text: fmt.Sprintf("stream %s has no gate on errors or within", name)})
		}
	}
	return out
}
