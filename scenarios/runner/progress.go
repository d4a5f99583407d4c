package runner

import (
	"cmp"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios/runner/judge"
)

// Progress is the state of a run that its partial record does not hold.
type Progress struct {
	At     time.Duration // on the run's clock; negative in the warm-up
	Drain  time.Duration // its planned length
	Window string        // warmup, baseline, a fault, after ..., drain
	// Stopped says why the run sends no more before its planned end: "not healthy", "interrupted", or the rule that gave it up.
	// Empty: it goes on.
	Stopped string
	Faults  []FaultProgress
	Phases  []PhaseProgress
	Steps   []StepProgress   // the named steps of all streams
	Streams []StreamProgress // in the order of the scenario
}

// FaultProgress is the state of one planned fault.
type FaultProgress struct {
	Name, Kind string
	Start, End time.Duration // as planned
	State      string        // waiting, injecting, in force, healed, failed
}

// PhaseProgress is a phase of the run, as planned.
type PhaseProgress struct {
	Name       string
	Start, End time.Duration
}

// StepProgress is a named step of a stream's rate, as planned.
type StepProgress struct {
	Stream, Name string
	Start, End   time.Duration
}

// StreamProgress is the state of one stream.
type StreamProgress struct {
	Name string
	// Last is the last whole second, with the operations counted in that are still open. The partial record holds a second only
	// once no operation of it is open.
	Last     reports.Second
	InFlight int64
	// Lag is the schedule lag so far at the quantiles 0.5, 0.99 and 1. Nil: there is no schedule, or no operation ended yet.
	Lag map[float64]time.Duration
	// Response counts the answered operations by response time, in native buckets of Prometheus's schema 3: bucket i holds those of at
	// most 2^(i/8) seconds.
	Response map[int]int64
	Observed bool // the counts of Live are measured
	reports.Live
}

// watchShare bounds the share of time spent on partial records for Watch. A large record is passed on less often.
const watchShare = 10

// watcher calls Options.Watch from one goroutine. A slow Watch (a terminal that takes no output) blocks neither the collector
// nor the healing of a fault. It gets the next partial record when it returns, with all rows that were added meanwhile.
type watcher struct {
	c       *collector
	changed chan struct{} // holds a signal when there is something new; closed at the end
	done    chan struct{}
	sent    []sent // by stream
	parts   map[string]sent
	// observed counts the samples of series that were passed on, by entry.
	observed map[string]sent
	until    time.Duration // seconds from here on are not passed on
}

// sent counts the parts of a stream that were passed on.
type sent struct {
	seconds int
	samples map[string]int // by gauge
}

// fresh are the samples that were not passed on before.
func (s *sent) fresh(gauges map[string][]reports.Sample) map[string][]reports.Sample {
	if s.samples == nil {
		s.samples = make(map[string]int)
	}
	out := make(map[string][]reports.Sample)
	for name, samples := range gauges {
		out[name] = samples[s.samples[name]:]
		s.samples[name] = len(samples)
	}
	return out
}

// startWatcher starts the watcher; nil without a Watch.
func startWatcher(c *collector) *watcher {
	if c.step.opt.Watch == nil {
		return nil
	}
	w := &watcher{
		c: c, changed: make(chan struct{}, 1), done: make(chan struct{}),
		sent: make([]sent, len(c.step.streams)), parts: make(map[string]sent), observed: make(map[string]sent), until: c.step.sc.Run.Duration,
	}
	go w.run()
	return w
}

func (w *watcher) run() {
	defer close(w.done)
	var next time.Time
	for range w.changed {
		if begun := time.Now(); !begun.Before(next) {
			run, progress := w.partial()
			next = begun.Add(watchShare * time.Since(begun))
			w.c.step.opt.Watch(run, progress)
		}
	}
	w.c.step.opt.Watch(w.partial())
}

// notify announces that there is something new. It does not block.
func (w *watcher) notify() {
	if w == nil {
		return
	}
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// close passes on the rest and waits for the watcher. The measured part ended at ended.
func (w *watcher) close(ended time.Duration) {
	if w == nil {
		return
	}
	w.c.mu.Lock()
	w.until = ended
	w.c.mu.Unlock()
	close(w.changed)
	<-w.done
}

// partial returns the record so far: its sums, and the seconds and samples that were not passed on before.
func (w *watcher) partial() (*reports.Run, Progress) {
	c := w.c
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.step.clock()
	run := c.step.partial(min(now, w.until))
	c.provisional(run)
	c.step.folder.Redact(run, nil)
	for i, m := range c.step.streams {
		out, done := run.Streams[m.spec.Name], &w.sent[i]
		out.Seconds = m.tally.CompleteRows(done.seconds, w.until)
		done.seconds += len(out.Seconds)
		if out.Gauges != nil {
			out.Gauges = done.fresh(out.Gauges)
		}
	}
	for name, p := range run.Parts {
		done := w.parts[name]
		p.Gauges = done.fresh(p.Gauges)
		w.parts[name] = done
	}
	for name, o := range run.Observed {
		done, samples := w.observed[name], make(map[string][]reports.Sample)
		for series, one := range o.Series {
			samples[series] = one.Samples
		}
		for series, fresh := range done.fresh(samples) {
			o.Series[series].Samples = fresh
		}
		w.observed[name] = done
	}
	return run, c.progress(now)
}

// provisional judges the record so far. The caller holds mu.
func (c *collector) provisional(run *reports.Run) {
	facts := &judge.Facts{Scenario: c.step.sc, Limited: c.limited, CPU: c.step.machine.mean(), Unrecorded: c.failure}
	for _, m := range c.step.streams {
		facts.Streams = append(facts.Streams, judge.Stream{Spec: m.spec, Tally: m.tally})
	}
	facts.Provisional(run)
}

// progress describes the run at now. The caller holds mu.
func (c *collector) progress(now time.Duration) Progress {
	s := c.step
	p := Progress{At: now, Drain: s.sc.Run.Drain, Window: "warmup"}
	if why := s.stopped.Load(); why != nil {
		p.Stopped = *why
	}
	if now >= 0 {
		p.Window = s.plan.Names[s.plan.WindowAt(now)]
	}
	c.states.Lock()
	defer c.states.Unlock()
	for i := range s.sc.Faults {
		f := &s.sc.Faults[i]
		p.Faults = append(p.Faults, FaultProgress{Name: f.Label(), Kind: f.Config.Kind(), Start: f.At, End: f.End(), State: cmp.Or(c.state[f.Label()], "waiting")})
	}
	for i := range s.sc.Phases {
		phase := &s.sc.Phases[i]
		p.Phases = append(p.Phases, PhaseProgress{Name: phase.Name, Start: phase.At, End: phase.End()})
	}
	for _, m := range s.streams {
		for _, span := range s.sc.Spans(m.spec.Name) {
			if span.Kind == faults.StepSpan {
				p.Steps = append(p.Steps, StepProgress{Stream: m.spec.Name, Name: span.Name, Start: span.Start, End: span.End})
			}
		}
		p.Streams = append(p.Streams, m.progress(now))
	}
	return p
}

func (m *member) progress(now time.Duration) StreamProgress {
	p := StreamProgress{Name: m.spec.Name, InFlight: m.inFlight(), Response: m.tally.Total.Response.Exponential(8)}
	_, p.Last = m.tally.Snapshot(m.open(), int(now/time.Second)-1)
	if v, ok := m.live(); ok && len(m.observers) > 0 {
		p.Observed, p.Live = true, v
	}
	if lag := &m.tally.Total.Lag; lag.Count() > 0 {
		p.Lag = make(map[float64]time.Duration)
		for _, quantile := range []float64{0.5, 0.99, 1} {
			p.Lag[quantile], _ = lag.Rank(quantile, lag.Count())
		}
	}
	return p
}
