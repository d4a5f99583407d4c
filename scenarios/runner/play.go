package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/scenarios"
)

// direct dials without a link.
func direct(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// meanings turns a stream's `outcomes` into what each code means. A bare number is a status, behind the driver's prefix.
func meanings(outcomes map[string][]string, statusPrefix string) map[string]drivers.Outcome {
	m := make(map[string]drivers.Outcome)
	for _, o := range []drivers.Outcome{drivers.Acked, drivers.Rejected, drivers.Indeterminate} {
		for _, code := range outcomes[o.String()] {
			if _, err := strconv.Atoi(code); err == nil {
				code = statusPrefix + code
			}
			m[strings.ToLower(code)] = o
		}
	}
	return m
}

// play sends the traffic, waits for what is under way and for what must show up, and concludes.
func (t *trial) play(ctx context.Context) (*reports.Run, error) {
	t.begin()
	if err := t.book.begin(t.epoch()); err != nil {
		return nil, fmt.Errorf("write record: %w", err)
	}
	t.machine = newMachine()
	for _, s := range t.streams {
		if s.effects != nil {
			s.effects.watch(ctx)
		}
		if t.opt.Results != nil && s.driver != nil {
			t.opt.Results.Begin(s.spec.Name, s.spec.Describe().Place, t.epoch())
			s.results = t.opt.Results
		}
	}

	// admit ends the plan, fly the attempts under way. Interrupting ends both; a harness failure ends admit.
	admit, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	collector := t.collect(admit, stop)
	t.bounds.stop.Store(&stop)
	if err := t.bounds.err(); err != nil { // a client's own goroutine was quicker
		stop(err)
	}
	t.timeline.Admit = func() bool { return t.admit(stop) }
	t.timeline.start(admit)
	stuck := t.send(admit, ctx)
	// The last operation may be over long before the measured part is.
	sleep(admit, t.sc.Run.Duration-t.clock())
	injections := t.timeline.stop()
	// What was due at this very moment may have begun: the end lies beyond it.
	ended := min(max(t.clock()+1, 0), t.sc.Run.Duration)
	if ctx.Err() == nil && context.Cause(admit) == nil {
		ended = t.sc.Run.Duration
	}
	// Later than this the run's own rules end nothing any more.
	var early stopped
	errors.As(context.Cause(admit), &early)
	unknown := t.drain(ctx)
	drained := t.clock()
	collector()

	if err := t.bounds.err(); err != nil {
		t.book.discard()
		return nil, err
	}
	if err := context.Cause(admit); err != nil && ctx.Err() == nil && !errors.As(err, new(stopped)) {
		stuck = errors.Join(stuck, err)
	}
	return t.conclude(conclusion{
		ended: ended, drained: drained, unknown: unknown, stopped: early,
		interrupted: ctx.Err() != nil, failure: stuck, injections: injections,
	})
}

// admit lets the faults begin, unless the target is not healthy: then the run ends.
func (t *trial) admit(stop context.CancelCauseFunc) bool {
	why := t.steady()
	if why == "" {
		return true
	}
	stop(stopped{why: "the target was not healthy before anything was broken: " + why, unhealthy: true})
	return false
}

// stuckMargin is how long beyond its longest possible operation a stream may take before its driver counts as stuck.
const stuckMargin = 15 * time.Second

// send runs every stream to its end. A driver that does not give back its operations is told, not waited for.
func (t *trial) send(admit, fly context.Context) error {
	var all sync.WaitGroup
	var longest time.Duration
	for _, s := range t.streams {
		if s.driver == nil {
			continue // it sends nothing
		}
		longest = max(longest, s.policy.longest(s.spec.Timeout))
		all.Go(func() { s.run(admit, fly) })
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	limit := time.NewTimer(t.sc.Run.Warmup + t.sc.Run.Duration + longest + stuckMargin)
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
	for _, s := range t.streams {
		if err := s.failed(); err != nil {
			return err
		}
	}
	return nil
}

// interruptedDrain replaces the drain of a run that was interrupted.
const interruptedDrain = time.Second

// drain goes on watching where operations must show up. It returns, by stream, why observation was not complete.
func (t *trial) drain(ctx context.Context) map[string]string {
	length := t.sc.Run.Drain
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
	for _, s := range t.streams {
		if s.effects == nil {
			continue
		}
		all.Go(func() {
			if why := s.effects.settle(limit); why != "" {
				mu.Lock()
				unknown[s.spec.Name] = why
				mu.Unlock()
			} else if ctx.Err() != nil {
				mu.Lock()
				unknown[s.spec.Name] = "the run was interrupted before everything could show up"
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
func (t *trial) openFaults(ctx context.Context) (*timeline, error) {
	tl := &timeline{Timeline: faults.Timeline{Clock: t.clock}, done: make(chan struct{})}
	for i := range t.sc.Faults {
		f := &t.sc.Faults[i]
		if err := t.aim(ctx, f.Config.On().Link); err != nil {
			return nil, fmt.Errorf("%w: fault %s: %w", ErrScenario, f.Label(), err)
		}
		fault, err := f.Config.Open(faults.Env{
			Name: fileName(f),
			Link: t.whole, Peers: t.peers, Part: t.part, Dial: t.bounds.over(direct), Log: t.opt.Log, Journal: t.journal, Output: t.faultOutput,
			Seed: streamSeed(t.sc.Seed, "fault "+f.Label()), For: f.For, Files: filepath.Dir(t.sc.Path),
		})
		if err != nil {
			return nil, fmt.Errorf("%w: fault %s: %w", ErrScenario, f.Label(), err)
		}
		tl.Plan = append(tl.Plan, faults.Planned{Name: f.Label(), At: f.At, For: f.For, Fault: fault, Behind: t.behind(f)})
	}
	return tl, nil
}

// behind are the faults that must have ended before f begins: those before it that it excludes.
func (t *trial) behind(f *scenarios.Fault) (places []int) {
	exclusive, ok := f.Config.(faults.Exclusive)
	if !ok {
		return nil
	}
	for i := range t.sc.Faults {
		if o := &t.sc.Faults[i]; o.End() <= f.At && exclusive.Excludes(o.Config) {
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
func (t *trial) faultOutput(name string) (io.WriteCloser, error) {
	return t.book.output(filepath.Join("faults", name))
}

func (t *trial) part(name string) (faults.Part, error) {
	if t.target != nil {
		if p, ok := t.target.Parts()[name]; ok {
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
