package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
	"wringer/scenarios/runner/traffic"
)

// direct dials without a link.
func direct(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// play sends the traffic, waits for what is under way and for what must show up, and concludes.
func (s *step) play(ctx context.Context) (*reports.Run, error) {
	s.begin()
	if err := s.folder.Begin(s.epoch()); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	s.machine = newMachine()
	for _, m := range s.streams {
		if m.effects != nil {
			m.effects.watch(ctx)
		}
		if s.opt.Results != nil && m.driver != nil {
			s.opt.Results.Begin(m.spec.Name, placeOf(m.spec.Driver), s.epoch())
		}
	}

	// admit ends the plan, fly the attempts under way. Interrupting ends both; a harness failure ends admit.
	admit, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	finish := s.collect(stop)
	s.bounds.stop.Store(&stop)
	if err := s.bounds.err(); err != nil { // a client's own goroutine was quicker
		stop(err)
	}
	s.timeline.Admit = func() bool { return s.admit(stop) }
	s.timeline.start(admit)
	stuck := s.send(admit, ctx)
	// The last operation may be over long before the measured part is.
	select {
	case <-time.After(s.sc.Run.Duration - s.clock()):
	case <-admit.Done():
	}
	injections := s.timeline.stop()
	// What was due at this very moment may have begun: the end lies beyond it.
	ended := min(max(s.clock()+1, 0), s.sc.Run.Duration)
	if ctx.Err() == nil && context.Cause(admit) == nil {
		ended = s.sc.Run.Duration
	}
	// Later than this the run's own rules end nothing any more.
	var early stopped
	errors.As(context.Cause(admit), &early)
	unknown := s.drain(ctx)
	drained := s.clock()
	finish(ended)

	if err := s.bounds.err(); err != nil {
		s.folder.Discard()
		return nil, err
	}
	if err := context.Cause(admit); err != nil && ctx.Err() == nil && !errors.As(err, new(stopped)) {
		stuck = errors.Join(stuck, err)
	}
	return s.conclude(conclusion{
		ended: ended, drained: drained, unknown: unknown, stopped: early,
		interrupted: ctx.Err() != nil, failure: stuck, injections: injections,
	})
}

// admit lets the faults begin, unless the target is not healthy: then the run ends.
func (s *step) admit(stop context.CancelCauseFunc) bool {
	why := s.steady()
	if why == "" {
		return true
	}
	stop(stopped{why: "the target was not healthy before anything was broken: " + why, unhealthy: true})
	return false
}

// placeOf is where a driver sends or a source reads, as far as its configuration tells.
func placeOf(config any) string {
	if s, ok := config.(fmt.Stringer); ok {
		return s.String()
	}
	return ""
}

// stuckMargin is how long beyond its longest possible operation a stream may take before its driver counts as stuck.
const stuckMargin = 15 * time.Second

// send runs every stream to its end. A driver that does not give back its operations is told, not waited for.
func (s *step) send(admit, fly context.Context) error {
	var all sync.WaitGroup
	var longest time.Duration
	for _, m := range s.streams {
		if m.traffic == nil {
			continue
		}
		longest = max(longest, m.traffic.Longest())
		all.Go(func() { m.traffic.Run(admit, fly) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	limit := time.NewTimer(s.sc.Run.Warmup + s.sc.Run.Duration + longest + stuckMargin)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		return errors.New("operations did not end: a driver is stuck")
	case <-fly.Done():
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

// drain goes on watching where operations must show up. It returns, by stream, why observation was not complete.
func (s *step) drain(ctx context.Context) map[string]string {
	length := s.sc.Run.Drain
	if ctx.Err() != nil {
		length = interruptedDrain
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), length)
	defer cancel()
	// An interrupt during the drain ends it soon as well.
	defer context.AfterFunc(ctx, func() { time.AfterFunc(interruptedDrain, cancel) })()

	unknown := make(map[string]string)
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, m := range s.streams {
		if m.effects == nil {
			continue
		}
		all.Go(func() {
			if why := m.effects.settle(limit); why != "" {
				mu.Lock()
				unknown[m.spec.Name] = why
				mu.Unlock()
			} else if ctx.Err() != nil {
				mu.Lock()
				unknown[m.spec.Name] = "the run was interrupted before everything could show up"
				mu.Unlock()
			}
		})
	}
	all.Wait()
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
			Link: s.wholeLink, Peers: s.peers, Part: s.part, Dial: s.bounds.over(direct), Log: s.opt.Log, Journal: s.journal, Output: s.faultOutput,
			Seed: traffic.Seed(s.sc.Seed, "fault "+f.Label()), For: f.For, Files: filepath.Dir(s.sc.Path),
		})
		if err != nil {
			return nil, fmt.Errorf("%w: fault %s: %w", ErrScenario, f.Label(), err)
		}
		tl.Plan = append(tl.Plan, faults.Planned{Name: f.Label(), At: f.At, For: f.For, Fault: fault, Behind: s.mustFollow(f)})
	}
	return tl, nil
}

// mustFollow lists the faults that must have ended before f begins: those before it that it excludes.
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

// fileName names a planned fault in the record's folder.
func fileName(f *scenarios.Fault) string {
	if f.Round == 0 {
		return f.Name
	}
	return fmt.Sprintf("%s-%d", f.Name, f.Round)
}

// faultOutput opens a file of evidence of a fault.
func (s *step) faultOutput(name string) (io.WriteCloser, error) {
	return s.folder.Output(filepath.Join("faults", name))
}

func (s *step) part(name string) (faults.Part, error) {
	if s.target != nil {
		if p, ok := s.target.Parts()[name]; ok {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the target has no part %q", name)
}

// start begins to carry the plan out. Faults in force are healed when ctx ends.
func (tl *timeline) start(ctx context.Context) {
	ctx, tl.cancel = context.WithCancel(ctx)
	go func() {
		defer close(tl.done)
		tl.result = tl.Run(ctx)
	}()
}

// stop heals what is still in force, waits for it, and tells what became of each fault. After a run that went its length
// every fault has had its time.
func (tl *timeline) stop() []faults.Injection {
	tl.cancel()
	<-tl.done
	return tl.result
}
