package runner

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metric"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
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
		out := run.Streams[m.spec.Name]
		for _, p := range m.places {
			one, evidence := p.finish(m.plan.Reached(ending.Ended))
			out.Places = append(out.Places, one)
			violations = append(violations, evidence...)
			facts.Streams[i].Places = append(facts.Streams[i].Places, p.judged())
		}
		for _, check := range m.checks {
			found := check.Finish(reports.Completeness{Known: !incomplete, Why: why})
			if found.Write != nil {
				found.Write(out)
			}
			violations = append(violations, found.Violations...)
			facts.Streams[i].Findings = append(facts.Streams[i].Findings, found)
		}
		if g := m.group(); g != nil {
			facts.Streams[i].GroupFailed = g.Account.Failed()
		}
	}
	violations = append(violations, s.concludeLinks(run, facts)...)
	facts.Observed = s.accounts()
	s.ofTarget(facts) // last, since a part may end while places are read
	facts.Judge(run)
	s.finishResults(run)
	run.LinkTraces(violations)
	if c, ok := s.opt.Results.(traffic.Concluding); ok {
		c.Conclude(run, violations)
	}
	run.Coarsen() // the judge has read every second
	if err := s.folder.Finish(run, violations); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return run, nil
}

// finishResults ends the output of attempts, and puts into the record what became of their rows.
func (s *step) finishResults(run *reports.Run) {
	if s.opt.Results == nil {
		return
	}
	if run.Samples = s.opt.Results.Finish(); run.Samples != nil && run.Samples.Missing > 0 {
		run.Findings = append(run.Findings, reports.Finding{Kind: reports.SamplesMissing, Text: run.Samples.Lack()})
	}
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
		one := judge.Stream{Spec: m.spec, Closed: m.closed(), Tally: m.tally, Broken: m.broken, Place: m.seenIn()}
		if m.traffic != nil {
			one.Shortage = m.traffic.Shortage()
		}
		f.Streams = append(f.Streams, one)
	}
	return f
}

// ofTarget adds what the target tells of itself until now.
func (s *step) ofTarget(f *judge.Facts) {
	if w, ok := s.target.(scenarios.Witness); ok {
		f.Events = w.Events()
	}
	if r, ok := s.prepared.(scenarios.Relaying); ok {
		f.Relay = r.RelayBroken()
	}
	if m, ok := s.target.(scenarios.Mortal); ok {
		for _, d := range m.Deaths() {
			f.Deaths = append(f.Deaths, judge.Death{Part: d.Part, Text: d.Text, At: d.At.Sub(s.epoch()), WentOn: d.WentOn})
		}
	}
}

// unhealthy is the record of a run whose target did not even let the streams open.
func (s *step) unhealthy(cause error) (*reports.Run, error) {
	s.begin()
	s.machine, s.collector = newMachine(s.opt.Network.Virtual), &collector{step: s}
	// Streams that were opened before this one sent nothing.
	s.streams = nil
	run := s.record(0, 0)
	facts := s.facts(judge.Ending{})
	s.ofTarget(facts)
	facts.Unhealthy(run, cause)
	s.finishResults(run)
	return run, s.folder.Finish(run, nil)
}

// record assembles the measurements until ended; drained is the end of the drain.
func (s *step) record(ended, drained time.Duration) *reports.Run {
	run := &reports.Run{
		Schema: reports.Schema, Name: s.sc.Name, About: s.sc.About, File: s.sc.Path, Seed: s.sc.Seed, ID: s.id, Version: s.opt.Version,
		Started: s.epoch().Add(-s.sc.Run.Warmup).UTC(), WarmupNS: int64(s.sc.Run.Warmup),
		DurationNS: int64(ended), PlannedNS: int64(s.sc.Run.Duration),
		Verdict: reports.Inconclusive, Exit: reports.ExitHarness, Why: []string{"the run did not end"},
		Gates: []reports.Gate{}, Faults: []reports.Fault{}, Findings: []reports.Finding{},
		Windows: s.windows(ended, drained), Streams: make(map[string]*reports.Stream),
		Host:     reports.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
		Settings: s.sc.Settings, TraceURL: s.sc.TraceURL, Checks: described(s.sc.Checks), Kept: s.kept(), Startup: s.startup.record(),
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
	run.Observed = s.observed()
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
	run := s.record(now, now)
	run.LinkTraces(nil)
	return run
}

func streamRecord(m *member, ended time.Duration) *reports.Stream {
	tally := m.tally
	out := &reports.Stream{
		Driver: m.spec.DriverName, Model: "open", Keys: m.spec.Keys, Plan: m.spec.Plan(),
		Total: tally.Total.Measures(ended), Windows: make(map[string]*reports.Measures),
		Seconds: tally.Rows(ended), Histogram: tally.Total.Response.Buckets(), Heat: tally.Heat.Record(),
	}
	switch c := m.spec.Consume; {
	case c != nil:
		out.Driver, out.Model, out.Plan, out.Of = c.SourceName, reports.ModelConsume, c.Plan(), c.Of
	case m.closed():
		out.Model = "closed"
	}
	if m.slowest != nil {
		out.TracesSampled, out.Slowest = new(float64(m.env.Trace.Sampled)), m.slowest.Now()
	}
	out.Effects = m.seenIn()
	reached := m.plan.Reached(ended)
	for _, name := range reached {
		sum := m.measures(name, ended)
		out.Windows[name] = &sum
	}
	out.Steps = stepRecords(m, reached)
	if len(tally.Gauges) > 0 {
		out.Gauges = tally.Gauges
	}
	if b, ok := m.driver.(drivers.Blockable); ok {
		out.Blocks = blockRecords(b.Blocks(), ended)
	}
	return out
}

// blockRecords describes the blocks of the measured part, in order.
func blockRecords(all []drivers.Block, ended time.Duration) (out []reports.Block) {
	for _, b := range all {
		if b.From >= ended || b.Over && b.To <= 0 {
			continue
		}
		one := reports.Block{Connection: b.Connection, AtNS: int64(max(b.From, 0)), Why: b.Why}
		if b.Over && b.To <= ended {
			end := int64(b.To)
			one.EndNS = &end
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b reports.Block) int { return cmp.Compare(a.AtNS, b.AtNS) })
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
