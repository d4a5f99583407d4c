package runner

import (
	"fmt"
	"runtime"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
)

// conclude closes the checks, judges the run and saves its record. drained is the end of the drain.
func (t *step) conclude(drained time.Duration, ending judge.Ending) (*reports.Run, error) {
	run := t.record(ending.Ended, drained)
	run.Complete = ending.Failure == nil
	facts := t.facts(ending)
	var violations []reports.Violation
	for i, s := range t.streams {
		why, incomplete := ending.Unobserved[s.spec.Name]
		for _, check := range s.checks {
			found := check.Finish(reports.Completeness{Known: !incomplete, Why: why})
			if found.Write != nil {
				found.Write(run.Streams[s.spec.Name])
			}
			violations = append(violations, found.Violations...)
			facts.Streams[i].Findings = append(facts.Streams[i].Findings, found)
		}
		if o := s.observer; o != nil && o.Group != nil {
			facts.Streams[i].GroupFailed = o.Group.Account.Failed()
		}
	}
	facts.Judge(run)
	if err := t.folder.Finish(run, violations); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return run, nil
}

// facts gathers what the verdict is made of, apart from what the checks found.
func (t *step) facts(ending judge.Ending) *judge.Facts {
	c := t.collector
	f := &judge.Facts{
		Scenario: t.sc, Limited: c.limited, CPU: t.machine.mean(), GCPause: t.machine.pauseP99(),
		LinkCosts: t.linkCosts, Unrecorded: c.failure, Ending: ending,
		Saturated: func(second int) bool { return saturated(c.cores[second]) },
	}
	for _, s := range t.streams {
		one := judge.Stream{Spec: s.spec, Closed: s.closed(), Tally: s.tally}
		if s.observer != nil {
			one.Place = s.observer.Place
		}
		f.Streams = append(f.Streams, one)
	}
	if w, ok := t.target.(scenarios.Witness); ok {
		f.Events = w.Events()
	}
	return f
}

// unhealthy is the record of a run whose target could not even be prepared for.
func (t *step) unhealthy(cause error) (*reports.Run, error) {
	t.begin()
	t.machine, t.collector = newMachine(t.opt.Network.Virtual), &collector{t: t}
	// Streams that were opened before this one sent nothing.
	t.streams = nil
	run := t.record(0, 0)
	t.facts(judge.Ending{}).Unhealthy(run, cause)
	return run, t.folder.Finish(run, nil)
}

// record assembles what was measured until ended; drained is the end of the drain.
func (t *step) record(ended, drained time.Duration) *reports.Run {
	run := &reports.Run{
		Schema: reports.Schema, Name: t.sc.Name, About: t.sc.About, Seed: t.sc.Seed, ID: t.id, Version: t.opt.Version,
		Started: t.epoch().Add(-t.sc.Run.Warmup).UTC(), WarmupNS: int64(t.sc.Run.Warmup),
		DurationNS: int64(ended), PlannedNS: int64(t.sc.Run.Duration),
		Verdict: reports.Inconclusive, Exit: reports.ExitHarness, Why: []string{"the run did not end"},
		Gates: []reports.Gate{}, Faults: []reports.Fault{}, Findings: []reports.Finding{},
		Windows: t.windows(ended, drained), Streams: make(map[string]*reports.Stream),
		Host:     reports.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
		Settings: t.sc.Settings, Checks: described(t.sc.Checks),
		Validity: reports.Validity{Verdict: reports.Inconclusive, Why: []string{"the run did not end"}},
	}
	for _, s := range t.streams {
		run.Streams[s.spec.Name] = streamRecord(s, ended)
	}
	return run
}

// described says in the record what the checks of the language count.
func described(checks []metric.Check) []reports.Described {
	var all []reports.Described
	for _, c := range checks {
		for i := range c.Metrics {
			all = append(all, c.Metrics[i].Describe())
		}
	}
	return all
}

// partial is the record of a run that is still going on.
func (t *step) partial(now time.Duration) *reports.Run {
	now = min(max(now, 0), t.sc.Run.Duration)
	return t.record(now, now)
}

func streamRecord(s *member, ended time.Duration) *reports.Stream {
	tally := s.tally
	out := &reports.Stream{
		Driver: s.spec.DriverName, Model: "open", Keys: s.spec.Keys, Plan: s.spec.Plan(),
		Total: tally.Total.Measures(ended), Windows: make(map[string]*reports.Measures),
		Seconds: tally.Rows(ended), Histogram: tally.Total.Response.Buckets(),
	}
	switch c := s.spec.Consume; {
	case c != nil:
		out.Driver, out.Model, out.Plan, out.Of = c.SourceName, reports.ModelConsume, c.Plan(), c.Of
	case s.closed():
		out.Model = "closed"
	}
	if s.observer != nil {
		out.Effects = s.observer.Place
	}
	reached := s.plan.Reached(ended)
	for _, name := range reached {
		m := s.measures(name, ended)
		out.Windows[name] = &m
	}
	out.Steps = stepRecords(s, reached)
	if len(tally.Gauges) > 0 {
		out.Gauges = tally.Gauges
	}
	return out
}

// stepRecords tells what became of the steps of a chain, nil when the stream is none.
func stepRecords(s *member, windows []string) []reports.Step {
	var out []reports.Step
	for i, name := range s.spec.Describe().Steps {
		step := reports.Step{Name: name, StepMeasures: s.tally.Total.Step(i), Windows: make(map[string]*reports.StepMeasures)}
		for _, window := range windows {
			m := s.tally.Over(s.plan.Named(window)).Step(i)
			step.Windows[window] = &m
		}
		out = append(out, step)
	}
	return out
}

// streamIndex is the place of a stream among those that are open, -1 when it is none.
func (t *step) streamIndex(name string) int {
	for i, s := range t.streams {
		if s.spec.Name == name {
			return i
		}
	}
	return -1
}
