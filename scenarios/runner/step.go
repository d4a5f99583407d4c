package runner

import (
	"cmp"
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
	// Scenario replaces the experiment's: the same file, read with other faults or without them. Its target and its links are not
	// looked at. Nil: the experiment's.
	Scenario *scenarios.Scenario
	// Rates replace the rates of streams, by name. A stream of users becomes one of arrivals.
	Rates map[string]*scenarios.Rate
	// Users replace the numbers of users of streams that have users, by name.
	Users map[string]int
	// Duration replaces the length of the measured part. 0: the scenario's.
	Duration time.Duration
	// Calm plays the traffic alone: no fault, no phase, and no gate that needs one.
	Calm bool
	// GiveUp ends the step once a gate is certain to fail, whatever comes. Its record then covers the time until then.
	GiveUp bool
	// Null leads streams elsewhere than to the target, by name, to measure the load generator. No other stream is played. Nothing observes
	// effects, nothing is sent again, and no gate is judged. Nil: all goes to the target.
	Null map[string]*Null
}

// Null leads a stream elsewhere than to the target.
type Null struct {
	// Config replaces the driver's configuration. Nil: it stays.
	Config drivers.Config
	// Through makes the way of the connections from the stream's own.
	Through func(drivers.DialFunc) drivers.DialFunc
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
	null   map[string]*Null // streams that are led elsewhere than to the target; nil: none is
	giveUp bool             // end once a gate is certain to fail

	streams   []*member
	zero      atomic.Pointer[time.Time] // of the run's clock: the end of the warm-up
	machine   *machine
	meter     *meter // nil: the machine cannot be read
	timeline  *timeline
	cuts      metrics.Cuts          // the faults that were injected
	healed    []func(time.Duration) // by fault, to call when it is over
	collector *collector
	links     []*linkAccount
	// overhearing are the sources that hear of a link's requests, by its name.
	overhearing map[string][]drivers.Requests
	scrapers    []*scraper
	opened      closers
	stopped     atomic.Pointer[string] // why the run ended before its time; nil: it did not
}

func (e *Experiment) newStep(st Step) (*step, error) {
	sc, err := st.of(cmp.Or(st.Scenario, e.scenario))
	if err != nil {
		return nil, fmt.Errorf("%w: step: %w", ErrScenario, err)
	}
	s := &step{Experiment: e, sc: sc, plan: judge.NewPlan(sc, ""), id: e.mark, null: st.Null, giveUp: st.GiveUp, opened: closers{log: e.opt.Log}}
	if e.steps > 0 {
		s.id = e.opt.newID()
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
	if st.Calm || st.Null != nil {
		out = *sc.Calm()
	}
	if st.Null != nil {
		out = *st.against(&out)
	}
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
	out.Traffic = slices.Clone(out.Traffic)
	for _, name := range slices.Sorted(maps.Keys(st.Rates)) {
		stream, err := scalable(&out, name)
		switch {
		case err != nil:
			return nil, err
		case st.Rates[name] == nil:
			return nil, fmt.Errorf("the rate of stream %s is missing", name)
		}
		if st.Rates[name].Max && (stream.Rate == nil || !stream.Rate.Max) {
			stream.MaxInFlight = scenarios.DefaultMaxRateUsers
		}
		stream.Rate, stream.Users, stream.Think, stream.Operations = st.Rates[name], 0, 0, 0 // a step lasts its time
		if stream.MaxInFlight == 0 {
			stream.MaxInFlight = scenarios.DefaultMaxInFlight
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.Users)) {
		stream, err := scalable(&out, name)
		switch users := st.Users[name]; {
		case err != nil:
			return nil, err
		case users < 1 || users > scenarios.MaxUsers:
			return nil, fmt.Errorf("stream %s: %d users; write 1 to %d", name, users, scenarios.MaxUsers)
		case stream.Rate != nil:
			return nil, fmt.Errorf("stream %s has a rate, and no users to replace", name)
		default:
			stream.Operations = 0
			stream.Users = users
		}
	}
	return &out, nil
}

// A step against nothing settles quickly, and needs few connections.
const (
	nullSettle   = 300 * time.Millisecond
	nullInFlight = 256
)

// against is the scenario that measures the load generator: the streams that are led elsewhere, as they send, and nothing that
// judges or observes them.
func (st Step) against(sc *scenarios.Scenario) *scenarios.Scenario {
	out := *sc
	out.Expect, out.Abort, out.Traffic, out.Observe = nil, nil, nil, nil
	out.Run.Warmup, out.Run.Drain = nullSettle, nullSettle
	for _, s := range sc.Traffic {
		elsewhere := st.Null[s.Name]
		if elsewhere == nil || s.Consume != nil {
			continue
		}
		if elsewhere.Config != nil {
			s.Driver = elsewhere.Config
		}
		s.Places, s.Saga, s.Retry, s.Replay, s.Witness = nil, nil, nil, nil, false
		s.MaxInFlight = min(max(s.MaxInFlight, 1), nullInFlight)
		out.Traffic = append(out.Traffic, s)
	}
	return &out
}

// scalable is a stream whose load may be replaced.
func scalable(sc *scenarios.Scenario, name string) (*scenarios.Stream, error) {
	switch stream := sc.Stream(name); {
	case stream == nil:
		return nil, fmt.Errorf("the scenario has no stream %s to set a load for", name)
	case stream.Consume != nil:
		return nil, fmt.Errorf("stream %s consumes and has no load", name)
	default:
		return stream, nil
	}
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
	s.openAccounts()
	if err := s.openScrapers(); err != nil {
		return err
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
