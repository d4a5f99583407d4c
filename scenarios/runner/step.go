package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/metrics"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/record"
)

// Step is one run on an experiment's target. The zero value is the scenario as it was written.
type Step struct {
	// Dir is the folder of the step's record; it must not exist, or be empty. Empty: the experiment's own folder, which one
	// step may use.
	Dir string
	// Rates replace the rates of streams, by name. A stream of users becomes one of arrivals.
	Rates map[string]*scenarios.Rate
	// Duration replaces the length of the measured part. 0: the scenario's.
	Duration time.Duration
}

// Play runs one step on the experiment's target: it opens the streams, sends the traffic, injects the faults, judges the gates
// and closes the streams. The record is saved in the step's folder. The streams of each step have identities of their own.
// Errors and ctx are as in Run. After an error, another step may be played.
func (e *Experiment) Play(ctx context.Context, st Step) (*reports.Run, error) {
	s, err := e.newStep(st)
	if err != nil {
		return nil, err
	}
	defer s.opened.close()
	if err := s.prepare(ctx); err != nil {
		return s.unopened(ctx, err)
	}
	return s.play(ctx)
}

// step is a running step: everything that is opened, measured and judged anew in each step.
type step struct {
	*Experiment
	sc     *scenarios.Scenario // with the step's rates and length; resolved once prepare has begun
	plan   *judge.Plan         // of what all streams have in common
	id     string
	folder *record.Folder

	streams   []*member
	zero      atomic.Pointer[time.Time] // of the run's clock: the end of the warm-up
	machine   *machine
	meter     *meter // nil: the machine cannot be read
	timeline  *timeline
	cuts      metrics.Cuts // the faults that were injected
	collector *collector
	opened    closers
	stopped   atomic.Pointer[string] // why the run ended before its time; nil: it did not
}

func (e *Experiment) newStep(st Step) (*step, error) {
	sc, err := st.of(e.scenario)
	if err != nil {
		return nil, fmt.Errorf("%w: step: %w", ErrScenario, err)
	}
	s := &step{Experiment: e, sc: sc, plan: judge.NewPlan(sc, ""), id: e.mark, opened: closers{log: e.opt.Log}}
	if e.steps > 0 {
		s.id = runID()
	}
	if s.folder, err = e.folder(st.Dir, sc); err != nil {
		return nil, err
	}
	if s.folder != e.root { // the experiment closes its own
		s.opened.add(s.folder.CloseOutputs)
	}
	e.steps++
	return s, nil
}

// folder makes the folder of a step's record.
func (e *Experiment) folder(dir string, sc *scenarios.Scenario) (*record.Folder, error) {
	f := e.root
	switch {
	case dir == "" && e.rootUsed:
		return nil, fmt.Errorf("record folder %s holds the record of an earlier step: name another for this one", e.opt.Dir)
	case dir == "":
		e.rootUsed = true
	default:
		var err error
		if f, err = record.Create(dir, sc.Source, sc.Redact); err != nil {
			return nil, err
		}
	}
	if err := f.OpenLog(); err != nil {
		f.Discard()
		return nil, err
	}
	return f, nil
}

// of returns the scenario with the step's rates and length. Faults that the seed decides are drawn anew for the new length.
func (st Step) of(sc *scenarios.Scenario) (*scenarios.Scenario, error) {
	out := *sc
	if st.Duration < 0 {
		return nil, fmt.Errorf("a duration of %s is negative", st.Duration)
	}
	if st.Duration > 0 && st.Duration != sc.Run.Duration {
		out.Run.Duration = st.Duration
		out.Reseed(sc.Seed)
		for i := range out.Faults {
			if f := &out.Faults[i]; f.End() > st.Duration {
				return nil, fmt.Errorf("fault %s ends at %s, after the step's end at %s: make the step longer", f.Label(), f.End(), st.Duration)
			}
		}
		for i := range out.Phases {
			if p := &out.Phases[i]; p.End() > st.Duration {
				return nil, fmt.Errorf("phase %s ends at %s, after the step's end at %s: make the step longer", p.Name, p.End(), st.Duration)
			}
		}
	}
	out.Traffic = slices.Clone(sc.Traffic)
	for _, name := range slices.Sorted(maps.Keys(st.Rates)) {
		stream, rate := out.Stream(name), st.Rates[name]
		switch {
		case stream == nil:
			return nil, fmt.Errorf("the scenario has no stream %s to set a rate for", name)
		case stream.Consume != nil:
			return nil, fmt.Errorf("stream %s consumes and has no rate", name)
		case rate == nil:
			return nil, fmt.Errorf("the rate of stream %s is missing", name)
		}
		stream.Rate, stream.Users, stream.Think = rate, 0, 0
		if stream.MaxInFlight == 0 {
			stream.MaxInFlight = scenarios.DefaultMaxInFlight
		}
	}
	return &out, nil
}

// clock is the run's clock: time since the end of the warm-up. Before the traffic begins its zero is an estimate.
func (s *step) clock() time.Duration { return time.Since(s.epoch()) }

func (s *step) epoch() time.Time { return *s.zero.Load() }

// begin starts the run's clock: the warm-up begins now.
func (s *step) begin() {
	zero := time.Now().Add(s.sc.Run.Warmup)
	s.zero.Store(&zero)
}

// prepare opens drivers, sources and faults. Nothing is sent yet.
func (s *step) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	resolved, err := s.sc.Resolve(s.addresses.known())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	s.sc = resolved
	s.begin()
	for _, consumers := range []bool{false, true} { // a consumer may read a topic that another stream creates
		for i := range s.sc.Traffic {
			if spec := &s.sc.Traffic[i]; (spec.Consume != nil) == consumers {
				if err := s.open(ctx, spec); err != nil {
					return err
				}
			}
		}
	}
	s.join()
	s.timeline, err = s.openFaults(ctx)
	return err
}

// unopened ends a step that could not be opened. A target that does not answer gives an inconclusive record.
func (s *step) unopened(ctx context.Context, err error) (*reports.Run, error) {
	if outside := s.bounds.err(); outside != nil {
		err = outside
	}
	if ctx.Err() == nil && errors.Is(err, drivers.ErrUnreachable) {
		return s.unhealthy(err)
	}
	s.folder.Discard()
	return nil, err
}
