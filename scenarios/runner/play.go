package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
)

// play sends the traffic, waits for the open operations and for their effects, and judges the run.
func (s *step) play(ctx context.Context) (*reports.Run, error) {
	s.begin()
	if err := s.folder.Begin(s.epoch()); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	s.machine = newMachine(s.opt.Network.Virtual)
	s.measureMachine()
	defer s.watchLinks()()
	endScraping := s.scrape(ctx)
	defer endScraping()
	for _, m := range s.streams {
		for _, o := range m.observers {
			o.Watch(ctx)
		}
		if s.opt.Results != nil && m.driver != nil {
			s.opt.Results.Begin(reports.Begun{
				Stream: m.spec.Name, Place: m.spec.Describe().Place, Epoch: s.epoch(), Identity: m.env.Identity, Trace: m.env.Trace,
				Windows: m.plan.Names, Faults: m.plan.Faults(),
			})
		}
	}

	// admit ends new operations, ctx the attempts under way. An interrupt ends both; a failure of the harness ends admit.
	admit, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	note := sync.OnceFunc(func() { s.noteStop(admit, ctx) })
	defer context.AfterFunc(admit, note)()
	finish := s.collect(stop)
	s.bounds.stop.Store(&stop)
	if err := s.bounds.err(); err != nil { // a client library may dial before it sends
		stop(err)
	}
	s.timeline.Admit = func() bool { return s.admit(stop) }
	s.timeline.start(admit)
	stuck := s.send(admit, ctx)
	// The last operation may end long before the measured part.
	rest := s.sc.Run.Duration - s.clock()
	counted := s.counted() && stuck == nil && rest > 0
	if counted {
		rest = 0
	}
	select {
	case <-time.After(rest):
	case <-admit.Done():
	}
	injections := s.timeline.stop()
	// An operation due at this very moment may have begun. So the end lies just after it.
	ended := min(max(s.clock()+1, 0), s.sc.Run.Duration)
	if ctx.Err() == nil && context.Cause(admit) == nil && !counted {
		ended = s.sc.Run.Duration
	}
	// From here on, the scenario's own rules cannot end the run.
	var stopped judge.Stopped
	errors.As(context.Cause(admit), &stopped)
	unobserved := s.drain(ctx)
	endScraping()
	drained := s.clock()
	if admit.Err() != nil {
		note() // on a busy machine the call of AfterFunc may come after the last look at the run
	}
	finish(ended)

	if err := s.bounds.err(); err != nil {
		s.folder.Discard()
		return nil, err
	}
	if err := context.Cause(admit); err != nil && ctx.Err() == nil && !errors.As(err, new(judge.Stopped)) {
		stuck = errors.Join(stuck, err)
	}
	return s.conclude(drained, judge.Ending{
		Ended: ended, Unobserved: unobserved, Stopped: stopped,
		Interrupted: ctx.Err() != nil, Failure: stuck, Injections: injections,
	})
}

// counted says whether the run ends with the operations of its streams: each has a number of them, and nothing else is planned.
func (s *step) counted() bool {
	for i := range s.sc.Traffic {
		if s.sc.Traffic[i].Operations == 0 {
			return false
		}
	}
	return len(s.sc.Faults) == 0 && len(s.sc.Phases) == 0
}

// measureMachine begins to read what the machine does beside the run.
func (s *step) measureMachine() {
	s.meter = newMeter(s.opt.Machine, s.target, &s.reached, s.clock())
	for _, m := range s.streams {
		m.tally.Follow()
	}
}

// admit lets the faults begin. If the target is not healthy, admit ends the run instead.
func (s *step) admit(stop context.CancelCauseFunc) bool {
	healthy, why := s.collector.baselineHealthy()
	if !healthy {
		stop(judge.Stopped{Why: judge.NotHealthy + ": " + why, Unhealthy: true})
	}
	return healthy
}

// noteStop keeps why the run ended before its time, in words, for those who watch it.
func (s *step) noteStop(admit, ctx context.Context) {
	var why judge.Stopped
	text := "interrupted"
	switch cause := context.Cause(admit); {
	case errors.As(cause, &why) && why.Unhealthy:
		text = "not healthy"
	case errors.As(cause, &why):
		text = why.Why
	case ctx.Err() == nil:
		text = fmt.Sprint(cause)
	}
	text = s.sc.Redact(text)
	s.stopped.Store(&text)
}

// stuckMargin is added to the longest possible operation. A stream that takes longer counts as stuck in its driver.
const stuckMargin = 15 * time.Second

// send runs every stream to its end. A driver that never completes its operations is an error; send does not wait for it.
func (s *step) send(admit, ctx context.Context) error {
	var all sync.WaitGroup
	var longest time.Duration
	for _, m := range s.streams {
		if m.traffic == nil {
			continue
		}
		longest = max(longest, m.traffic.Longest())
		all.Go(func() { m.traffic.Run(admit, ctx) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	timeout := time.NewTimer(s.sc.Run.Warmup + s.sc.Run.Duration + longest + stuckMargin)
	defer timeout.Stop()
	select {
	case <-done:
	case <-timeout.C:
		return errors.New("operations did not end: a driver is stuck")
	case <-ctx.Done():
		select {
		case <-done:
		case <-time.After(stuckMargin):
			return errors.New("operations did not end after the interrupt: a driver is stuck")
		}
	}
	for _, m := range s.streams {
		if m.traffic == nil {
			continue
		}
		if err := m.traffic.Failed(); err != nil {
			return err
		}
	}
	return nil
}

// interruptedDrain replaces the drain of a run that was interrupted.
const interruptedDrain = time.Second

// drain goes on observing effects for the length of the drain. It returns, by stream, the reason why the observation is not
// complete.
func (s *step) drain(ctx context.Context) map[string]string {
	length := s.sc.Run.Drain
	if ctx.Err() != nil {
		length = interruptedDrain
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), length)
	defer cancel()
	// An interrupt shortens the drain too.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(interruptedDrain, cancel) })()

	unknown := make(map[string]string)
	var all sync.WaitGroup
	for _, m := range s.streams {
		for _, o := range m.observers {
			all.Go(func() {
				o.Settle(drain, ctx)
				o.Stop()
			})
		}
	}
	all.Wait()
	for _, m := range s.streams {
		if why := m.unread(ctx.Err() != nil); why != "" {
			unknown[m.spec.Name] = why
		}
	}
	return unknown
}

// timeline runs the faults beside the traffic.
type timeline struct {
	faults.Timeline
	cancel context.CancelFunc
	done   chan struct{}
	result []faults.Injection
}

// openFaults opens every fault of the scenario.
func (s *step) openFaults(ctx context.Context) (*timeline, error) {
	tl := &timeline{Timeline: faults.Timeline{Clock: s.clock}, done: make(chan struct{})}
	for i := range s.sc.Faults {
		f := &s.sc.Faults[i]
		if err := s.aim(ctx, f.Config.On().Link); err != nil {
			return nil, fmt.Errorf("%w: fault %s: %w", ErrScenario, f.Label(), err)
		}
		fault, err := f.Config.Open(faults.Env{
			Name: fileName(f),
			Link: s.wholeLink, Peers: s.peers, Part: s.part, Parts: s.partNames(), Dial: s.bounds.checked(s.direct), Log: s.opt.Log, Journal: s.journal, Output: s.faultOutput,
			Seed: traffic.Seed(s.sc.Seed, "fault "+f.Label()), For: f.For, Files: filepath.Dir(s.sc.Path),
		})
		if err != nil {
			return nil, fmt.Errorf("%w: fault %s: %w", ErrScenario, f.Label(), err)
		}
		s.cuts.Add(f.At)
		s.healed = append(s.healed, s.cuts.Plan(f.At+f.For))
		tl.Plan = append(tl.Plan, faults.Planned{Name: f.Label(), At: f.At, For: f.For, Fault: fault, Behind: s.mustFollow(f)})
	}
	return tl, nil
}

// mustFollow lists the faults that must have ended before f begins: the earlier ones that f excludes.
func (s *step) mustFollow(f *scenarios.Fault) (places []int) {
	exclusive, ok := f.Config.(faults.Exclusive)
	if !ok {
		return nil
	}
	for i := range s.sc.Faults {
		if o := &s.sc.Faults[i]; o.End() <= f.At && exclusive.Excludes(o.Config) {
			places = append(places, i)
		}
	}
	return places
}

// fileName is the name of a planned fault's files in the record's folder.
func fileName(f *scenarios.Fault) string {
	if f.Round == 0 {
		return f.Name
	}
	return fmt.Sprintf("%s-%d", f.Name, f.Round)
}

// faultOutput opens an output file of a fault.
func (s *step) faultOutput(name string) (io.WriteCloser, error) {
	return s.folder.Output(filepath.Join("faults", name))
}

// partNames lists the parts of the target in order.
func (s *step) partNames() []string {
	if s.target == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.target.Parts()))
}

func (s *step) part(name string) (faults.Part, error) {
	if s.target != nil {
		if p, ok := s.target.Parts()[name]; ok {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the target has no part %q", name)
}

// start runs the planned faults. Faults in force are healed when ctx ends.
func (tl *timeline) start(ctx context.Context) {
	ctx, tl.cancel = context.WithCancel(ctx)
	go func() {
		defer close(tl.done)
		tl.result = tl.Run(ctx)
	}()
}

// stop heals the faults in force, waits for them to heal, and returns the result of each fault. A run of full length has given
// every fault its time.
func (tl *timeline) stop() []faults.Injection {
	tl.cancel()
	<-tl.done
	return tl.result
}
