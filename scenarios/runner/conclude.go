package runner

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
)

// conclude closes the checks, judges the run and saves its record. drained is the end of the drain.
func (s *step) conclude(drained time.Duration, ending judge.Ending) (*reports.Run, error) {
	run := s.record(ending.Ended, drained)
	run.Complete = ending.Failure == nil
	facts := s.facts(ending)
	if s.meter != nil {
		run.Machine = s.meter.rows(ending.Ended)
	}
	var violations []reports.Violation
	for i, m := range s.streams {
		why, incomplete := ending.Unobserved[m.spec.Name]
		for _, check := range m.checks {
			found := check.Finish(reports.Completeness{Known: !incomplete, Why: why})
			if found.Write != nil {
				found.Write(run.Streams[m.spec.Name])
			}
			violations = append(violations, found.Violations...)
			facts.Streams[i].Findings = append(facts.Streams[i].Findings, found)
		}
		if o := m.observer; o != nil && o.Group != nil {
			facts.Streams[i].GroupFailed = o.Group.Account.Failed()
		}
	}
	facts.Judge(run)
	if err := s.folder.Finish(run, violations); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return run, nil
}

// facts gathers the input of the verdict, apart from the findings of the checks.
func (s *step) facts(ending judge.Ending) *judge.Facts {
	c := s.collector
	f := &judge.Facts{
		Scenario: s.sc, Limited: c.limited, CPU: s.machine.mean(), GCPause: s.machine.pauseP99(),
		LinkCosts: s.linkCosts, Unrecorded: c.failure, Ending: ending,
		Saturated: func(second int) bool { return saturated(c.cores[second]) },
	}
	if s.meter != nil {
		f.Machine, f.Unowned, f.MachineSum = s.meter.load, s.meter.lost(), s.meter.sum(ending.Ended)
	}
	for _, m := range s.streams {
		one := judge.Stream{Spec: m.spec, Closed: m.closed(), Tally: m.tally, Broken: m.broken}
		if m.observer != nil {
			one.Place = m.observer.Place
		}
		if m.traffic != nil {
			one.Shortage = m.traffic.Shortage()
		}
		f.Streams = append(f.Streams, one)
	}
	if w, ok := s.target.(scenarios.Witness); ok {
		f.Events = w.Events()
	}
	if r, ok := s.prepared.(scenarios.Relaying); ok {
		f.Relay = r.RelayBroken()
	}
	if m, ok := s.target.(scenarios.Mortal); ok {
		for _, d := range m.Deaths() {
			f.Deaths = append(f.Deaths, judge.Death{Part: d.Part, Text: d.Text, At: d.At.Sub(s.epoch())})
		}
	}
	return f
}

// unhealthy is the record of a run whose target did not even let the streams open.
func (s *step) unhealthy(cause error) (*reports.Run, error) {
	s.begin()
	s.machine, s.collector = newMachine(s.opt.Network.Virtual), &collector{step: s}
	// Streams that were opened before this one sent nothing.
	s.streams = nil
	run := s.record(0, 0)
	s.facts(judge.Ending{}).Unhealthy(run, cause)
	return run, s.folder.Finish(run, nil)
}

// record assembles the measurements until ended; drained is the end of the drain.
func (s *step) record(ended, drained time.Duration) *reports.Run {
	run := &reports.Run{
		Schema: reports.Schema, Name: s.sc.Name, About: s.sc.About, Seed: s.sc.Seed, ID: s.id, Version: s.opt.Version,
		Started: s.epoch().Add(-s.sc.Run.Warmup).UTC(), WarmupNS: int64(s.sc.Run.Warmup),
		DurationNS: int64(ended), PlannedNS: int64(s.sc.Run.Duration),
		Verdict: reports.Inconclusive, Exit: reports.ExitHarness, Why: []string{"the run did not end"},
		Gates: []reports.Gate{}, Faults: []reports.Fault{}, Findings: []reports.Finding{},
		Windows: s.windows(ended, drained), Streams: make(map[string]*reports.Stream),
		Host:     reports.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
		Settings: s.sc.Settings, Checks: described(s.sc.Checks), Kept: s.kept(), Startup: s.startup.record(),
		Validity: reports.Validity{Verdict: reports.Inconclusive, Why: []string{"the run did not end"}},
	}
	for _, m := range s.streams {
		run.Streams[m.spec.Name] = streamRecord(m, ended)
	}
	for name, p := range s.collector.parts {
		if run.Parts == nil {
			run.Parts = make(map[string]*reports.Part)
		}
		gauges := make(map[string][]reports.Sample, len(p.Gauges))
		for gauge, samples := range p.Gauges {
			// Readings of the drain are no part of the measured time.
			n, _ := slices.BinarySearchFunc(samples, int64(ended), func(s reports.Sample, end int64) int { return cmp.Compare(s.AtNS, end+1) })
			if n > 0 {
				gauges[gauge] = samples[:n:n]
			}
		}
		run.Parts[name] = &reports.Part{Gauges: gauges}
	}
	return run
}

// kept are the addresses of a target that stays up.
func (s *step) kept() map[string]string {
	if s.prepared == nil || s.target == nil || !s.opt.Keep && !s.opt.Reuse {
		return nil
	}
	out := make(map[string]string)
	for name, value := range s.target.Vars() {
		if !strings.HasSuffix(name, ".port") && !strings.HasSuffix(name, ".id") {
			out[name] = value
		}
	}
	return out
}

// described puts the descriptions of the checks' counts into the record.
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
func (s *step) partial(now time.Duration) *reports.Run {
	now = min(max(now, 0), s.sc.Run.Duration)
	return s.record(now, now)
}

func streamRecord(m *member, ended time.Duration) *reports.Stream {
	tally := m.tally
	out := &reports.Stream{
		Driver: m.spec.DriverName, Model: "open", Keys: m.spec.Keys, Plan: m.spec.Plan(),
		Total: tally.Total.Measures(ended), Windows: make(map[string]*reports.Measures),
		Seconds: tally.Rows(ended), Histogram: tally.Total.Response.Buckets(),
	}
	switch c := m.spec.Consume; {
	case c != nil:
		out.Driver, out.Model, out.Plan, out.Of = c.SourceName, reports.ModelConsume, c.Plan(), c.Of
	case m.closed():
		out.Model = "closed"
	}
	if m.observer != nil {
		out.Effects = m.observer.Place
	}
	reached := m.plan.Reached(ended)
	for _, name := range reached {
		sum := m.measures(name, ended)
		out.Windows[name] = &sum
	}
	out.Steps = stepRecords(m, reached)
	if len(tally.Gauges) > 0 {
		out.Gauges = tally.Gauges
	}
	return out
}

// stepRecords describes the steps of a chain; nil when the stream is none.
func stepRecords(m *member, windows []string) []reports.Step {
	var out []reports.Step
	for i, name := range m.spec.Describe().Steps {
		step := reports.Step{Name: name, StepMeasures: m.tally.Total.Step(i), Windows: make(map[string]*reports.StepMeasures)}
		for _, window := range windows {
			sum := m.tally.Over(m.plan.Named(window)).Step(i)
			step.Windows[window] = &sum
		}
		out = append(out, step)
	}
	return out
}

// streamIndex is the place of a stream among the open ones, -1 when it is not open.
func (s *step) streamIndex(name string) int {
	for i, m := range s.streams {
		if m.spec.Name == name {
			return i
		}
	}
	return -1
}
