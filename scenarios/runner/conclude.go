package runner

import (
	"fmt"
	"maps"
	"runtime"
	"strings"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/scenarios"
)

// conclusion is how a run went, apart from what was measured.
type conclusion struct {
	ended       time.Duration // of the measured part
	drained     time.Duration // end of the drain
	unknown     map[string]string
	interrupted bool
	stopped     stopped // by the run's own rules
	failure     error   // of the harness
	injections  []faults.Injection
}

// conclude judges the run and saves its record.
func (t *trial) conclude(c conclusion) (*reports.Run, error) {
	run := t.record(c.ended, c.drained)
	run.Complete = c.failure == nil
	t.unknown = make(map[string]map[string]string)
	t.effects = make(map[string]*effects.Result)
	var violations []reports.Violation
	for _, s := range t.streams {
		if s.effects == nil {
			continue
		}
		why, incomplete := c.unknown[s.spec.Name]
		result := s.effects.finish(integrity.Completeness{Known: !incomplete, Why: why}, t.plan.windowAt)
		out := run.Streams[s.spec.Name]
		out.Total.Integrity = result.Total
		for name, m := range out.Windows {
			m.Integrity = result.Windows[name]
		}
		violations = append(violations, result.Violations...)
		t.unknown[s.spec.Name] = result.Unknown
		if s.effects.times != nil {
			t.effects[s.spec.Name] = timed(out, s.effects.times, why)
		}
		if h := s.effects.group; h != nil {
			evidence, unknown := h.report(out, integrity.Completeness{Known: !incomplete, Why: why})
			violations = append(violations, evidence...)
			maps.Copy(t.unknown[s.spec.Name], unknown)
		}
	}
	violations = append(violations, t.probed(run)...)
	run.Faults = t.faultRecords(run, c)
	run.Gates = t.judgeAll(run)
	c.stopped.leaveOpen(run.Gates, t.sc.Expect)
	run.Findings = append(findings(run), t.witnessed()...)
	t.verdict(run, c)
	t.redact(run, violations)
	if err := t.book.finish(run, violations); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	return run, nil
}

// record assembles what was measured until ended; drained is the end of the drain.
func (t *trial) record(ended, drained time.Duration) *reports.Run {
	run := &reports.Run{
		Schema: reports.Schema, Name: t.sc.Name, About: t.sc.About, Seed: t.sc.Seed, ID: t.id, Version: t.opt.Version,
		Started: t.epoch().Add(-t.sc.Run.Warmup).UTC(), WarmupNS: int64(t.sc.Run.Warmup),
		DurationNS: int64(ended), PlannedNS: int64(t.sc.Run.Duration),
		Verdict: reports.Inconclusive, Exit: reports.ExitHarness, Why: []string{"the run did not end"},
		Gates: []reports.Gate{}, Faults: []reports.Fault{}, Findings: []reports.Finding{},
		Windows: t.windows(ended, drained), Streams: make(map[string]*reports.Stream),
		Host:     reports.Host{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()},
		Settings: t.sc.Settings,
		Validity: reports.Validity{Verdict: reports.Inconclusive, Why: []string{"the run did not end"}},
	}
	for i, s := range t.streams {
		run.Streams[s.spec.Name] = t.streamRecord(s, t.tallies[i], run.Windows, ended)
	}
	return run
}

// partial is the record of a run that is still going on.
func (t *trial) partial(now time.Duration) *reports.Run {
	now = min(max(now, 0), t.sc.Run.Duration)
	return t.record(now, now)
}

// windows lists the windows that were reached by ended.
func (t *trial) windows(ended, drained time.Duration) []reports.Window {
	out := []reports.Window{}
	for _, p := range t.plan.pieces {
		w := reports.Window{Name: p.Name, StartNS: int64(p.Start), EndNS: int64(min(p.End, ended))}
		if p.Name == "drain" {
			w.StartNS, w.EndNS = int64(ended), int64(max(drained, ended))
		} else if p.Start >= ended {
			continue
		}
		if p.Fault != "" {
			w.Fault = &p.Fault
		}
		out = append(out, w)
	}
	return out
}

func (t *trial) streamRecord(s *stream, tally *tally, windows []reports.Window, ended time.Duration) *reports.Stream {
	out := &reports.Stream{
		Driver: s.spec.DriverName, Model: "open", Keys: s.spec.Keys, Plan: s.spec.Plan(),
		Total: tally.total.Measures(ended), Windows: make(map[string]*reports.Measures),
		Seconds: tally.seconds(ended), Histogram: tally.total.Response.Buckets(),
	}
	switch c := s.spec.Consume; {
	case c != nil:
		out.Driver, out.Model, out.Plan, out.Of = c.SourceName, reports.ModelConsume, c.Plan(), c.Of
	case s.pacer == nil:
		out.Model = "closed"
	}
	if s.effects != nil {
		out.Effects = s.effects.place
	}
	for _, w := range windows {
		m := tally.windows[t.plan.index[w.Name]].Measures(t.plan.length(w.Name, ended))
		out.Windows[w.Name] = &m
	}
	out.Steps = t.stepRecords(s, tally, windows)
	if len(tally.gauges) > 0 {
		out.Gauges = tally.gauges
	}
	return out
}

// stepRecords tells what became of the steps of a chain, nil when the stream is none.
func (t *trial) stepRecords(s *stream, tally *tally, windows []reports.Window) []reports.Step {
	var out []reports.Step
	for i, name := range s.spec.Describe().Steps {
		step := reports.Step{Name: name, StepMeasures: tally.total.Step(i), Windows: make(map[string]*reports.StepMeasures)}
		for _, w := range windows {
			m := tally.windows[t.plan.index[w.Name]].Step(i)
			step.Windows[w.Name] = &m
		}
		out = append(out, step)
	}
	return out
}

// faultRecords tells what became of each fault, and how each stream took it.
func (t *trial) faultRecords(run *reports.Run, c conclusion) []reports.Fault {
	out := []reports.Fault{}
	for i := range t.sc.Faults {
		f := &t.sc.Faults[i]
		on := f.Config.On()
		r := reports.Fault{Name: f.Name, Round: f.Round, Kind: f.Config.Kind(), Spec: f.Config.Describe().Words, StartNS: int64(f.At), EndNS: int64(f.End())}
		if on.Link != "" {
			r.Link = &on.Link
		}
		if on.Part != "" {
			r.Part = &on.Part
		}
		if i < len(c.injections) {
			took(&r, &c.injections[i])
		}
		if f.At < c.ended && r.Error == "" {
			t.recoveries(&r, run, f)
		}
		// That no second was bad cannot be said of a fault whose time was cut off.
		if f.End() > c.ended && r.DetectionNS == nil {
			r.PerStream = nil
		}
		out = append(out, r)
	}
	return out
}

// took takes over what the timeline saw of a fault.
func took(r *reports.Fault, in *faults.Injection) {
	r.Bit, r.Healed, r.Peer = in.Bite.Bit, in.Healed, in.Bite.Peer
	if in.Bite.Connections >= 0 {
		r.Connections = integer(in.Bite.Connections)
	}
	if in.Bite.Bytes >= 0 {
		r.Bytes = integer(in.Bite.Bytes)
	}
	r.ToTarget, r.FromTarget = passage(in.Bite.ToTarget), passage(in.Bite.FromTarget)
	if injected(in) {
		r.StartNS, r.EndNS = int64(in.InjectAt), int64(in.HealedAt)
	}
	if err := in.Err(); err != nil {
		r.Error = err.Error()
	}
}

func passage(m *faults.Met) *reports.Passage {
	if m == nil {
		return nil
	}
	return &reports.Passage{Connections: m.Connections, Bytes: m.Bytes}
}

// injected says whether the fault was in force at all.
func injected(in *faults.Injection) bool { return in.Step != faults.Waiting && in.InjectErr == nil }

// recoveries measures detection, recovery and metastability of every stream over one fault.
func (t *trial) recoveries(r *reports.Fault, run *reports.Run, f *scenarios.Fault) {
	until := min(t.alone(f), time.Duration(run.DurationNS))
	r.PerStream = make(map[string]reports.StreamRecovery)
	for i, s := range t.streams {
		out := run.Streams[s.spec.Name]
		n, ok := normalOf(out.Windows[faults.Baseline], out.Seconds, t.baseline(until), t.streams[i].pacer == nil)
		if !ok {
			continue
		}
		r.PerStream[s.spec.Name] = n.take(out.Seconds, f.At, f.End(), until)
	}
	summarize(r)
}

// alone is until when nothing else was to be in force after f: what others break is no recovery of this one's. The second in
// which f ends is its own.
func (t *trial) alone(f *scenarios.Fault) time.Duration {
	until := t.sc.Run.Duration
	for i := range t.sc.Faults {
		o := &t.sc.Faults[i]
		switch {
		case o.At >= f.End():
			until = min(until, o.At)
		case o.End() > f.End():
			until = min(until, (f.End() + time.Second - 1).Truncate(time.Second))
		}
	}
	return until
}

// baseline is the length of the baseline, 0 when the plan has none.
func (t *trial) baseline(until time.Duration) time.Duration {
	if _, ok := t.plan.index[faults.Baseline]; !ok {
		return 0
	}
	return t.plan.length(faults.Baseline, until)
}

// judgeAll decides every gate.
func (t *trial) judgeAll(run *reports.Run) []reports.Gate {
	out := []reports.Gate{}
	for i := range t.sc.Expect {
		g := &t.sc.Expect[i]
		var gate reports.Gate
		if w := t.worstOf(g); w != nil {
			gate = w.judge()
		} else {
			gate = judge(g, t.judgement(g, run))
		}
		if gate.Verdict == reports.Fail && g.Metric.Class == scenarios.Integrity && g.Scope.Window == "" {
			gate.Why += where(run, g)
		}
		out = append(out, gate)
	}
	return out
}

// where tells in which windows a count was found.
func where(run *reports.Run, g *scenarios.Gate) string {
	var parts []string
	for _, name := range run.WindowNames() {
		m := run.Streams[g.Stream].Windows[name]
		if m == nil {
			continue
		}
		if n := m.Count(g.Metric.Name); n != nil && *n > 0 {
			parts = append(parts, reports.Count(*n)+scope(name))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ": " + strings.Join(parts, ", ")
}

func (t *trial) worstOf(g *scenarios.Gate) *worst {
	for _, tally := range t.tallies {
		for _, w := range tally.worst {
			if w.gate == g {
				return w
			}
		}
	}
	return nil
}

// judgement reads a gate's metric over its scope.
func (t *trial) judgement(g *scenarios.Gate, run *reports.Run) judgement {
	if scenarios.OfEffect(g.Metric) {
		return t.effectJudgement(g, run)
	}
	j := judgement{limited: t.limitedIn(g, run)}
	j.where = scope(g.Scope.Window)
	stream := run.Streams[g.Stream]
	until := time.Duration(run.DurationNS)
	switch g.Metric.Class {
	case scenarios.Integrity:
		m := &stream.Total
		if g.Scope.Window != "" {
			m = stream.Windows[g.Scope.Window]
		}
		j.observation = integrityObservation(g.Metric.Name, m)
		if stream.Consumes() && nothingSeen(m) && !scenarios.OfGroup(g.Metric) && j.missing == "" && j.value == 0 && needsRecords(g.Metric.Name) {
			j.observation = missing("no record was seen")
		}
		if j.atLeast = t.unknown[g.Stream][g.Metric.Name]; j.atLeast != "" && j.missing == notKnown {
			j.missing += ": " + j.atLeast
		}
	case scenarios.Recovery:
		r := recoveryObservation(g.Metric.Name, g.Stream, strings.TrimPrefix(g.Scope.Window, "after "), run.Faults)
		j.observation, j.atLeast = r.observation, r.atLeast
	case scenarios.Gauge:
		j.observation = t.gauge(g, stream)
	default:
		if g.Metric.Of == "rebalance" {
			m := &stream.Total
			if g.Scope.Window != "" {
				m = stream.Windows[g.Scope.Window]
			}
			j.observation = missing("the window was not reached")
			if m != nil {
				j.observation = firstMessage(g.Metric.Name, m.Group)
			}
			break
		}
		tally := t.tallies[t.streamIndex(g.Stream)]
		cell, length := &tally.total, until
		if window, ok := t.plan.index[g.Scope.Window]; g.Scope.Window != "" && !ok {
			j.observation = missing("the schedule that this seed draws has no such window")
			break
		} else if ok {
			cell, length = &tally.windows[window], t.plan.length(g.Scope.Window, until)
		}
		j.observation = observe(g.Metric, cell, length)
	}
	return j
}

// scope puts a window in words.
func scope(window string) string {
	switch {
	case window == "", strings.HasPrefix(window, "after "):
		return strings.TrimRight(" "+window, " ")
	}
	return " during " + window
}

// notKnown is said of a count that is null.
const notKnown = "not known"

func integrityObservation(name string, m *reports.Measures) observation {
	if m == nil {
		return missing("the window was not reached")
	}
	n := m.Count(name)
	if n == nil {
		return missing(notKnown)
	}
	if o, ok := probeObservation(name, m, *n); ok {
		return o
	}
	if o, ok := groupObservation(name, m, *n); ok {
		return o
	}
	// Nothing acked and nothing seen cannot show that nothing was lost or repeated.
	if i := m.Integrity; zero(i.Acked) && zero(i.Seen) {
		return missing("no operation was acked or seen")
	}
	return found(float64(*n))
}

func zero(n *int64) bool { return n == nil || *n == 0 }

// gauge is the reading within the gate's scope that is furthest on the wrong side of the limit: every one must hold.
func (t *trial) gauge(g *scenarios.Gate, s *reports.Stream) observation {
	var worst *float64
	for _, sample := range s.Gauges[g.Metric.Name] {
		at := time.Duration(sample.AtNS)
		if g.Scope.Window != "" && t.plan.names[t.plan.windowAt(at)] != g.Scope.Window {
			continue
		}
		if worst == nil || further(g, sample.Value, *worst) {
			worst = &sample.Value
		}
	}
	if worst == nil {
		return missing("no reading")
	}
	return found(*worst)
}

func (t *trial) streamIndex(name string) int {
	for i, s := range t.streams {
		if s.spec.Name == name {
			return i
		}
	}
	return -1
}

// limitedIn says whether the generator was the limit in some second that the gate's scope touches.
func (t *trial) limitedIn(g *scenarios.Gate, run *reports.Run) bool {
	for _, s := range run.Streams[g.Stream].Seconds {
		if !s.Limited {
			continue
		}
		if g.Scope.Window == "" {
			return true
		}
		for _, w := range run.Windows {
			if w.Name == g.Scope.Window && w.StartNS < s.StartNS+int64(time.Second) && w.EndNS > s.StartNS {
				return true
			}
		}
	}
	return false
}
