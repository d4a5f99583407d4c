// Package runner runs a scenario: it starts the target, sends the traffic, breaks and heals on schedule, watches what
// becomes of every operation, judges the gates and returns the run record.
package runner

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/faults"
	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/reports/replays"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/record"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// Options of a run.
type Options struct {
	// Dir is the record's folder; it must not exist, or be empty.
	Dir string
	// Mesh opens the links' mesh, which reaches the targets by dial; called once, when there is a link.
	Mesh func(dial faults.DialFunc) (faults.Mesh, error)
	// Watch is called about once a second and at every change of the faults in force, from one goroutine. When it is slow
	// it misses moments.
	Watch func(Live)
	// Allow names hosts that may be dialled although they are neither on this machine nor in a private network.
	Allow []string
	// Results takes every finished operation of the measured part. Nil: none.
	Results traffic.Results
	Version string
	Log     *slog.Logger
}

// ErrScenario marks an error that the scenario caused; nothing was sent and no record was left.
var ErrScenario = errors.New("scenario error")

// scenarioError is a driver's error, which says by itself that the scenario is at fault.
type scenarioError struct{ error }

func (e scenarioError) Is(target error) bool { return target == ErrScenario }
func (e scenarioError) Unwrap() error        { return e.error }

// Run runs the scenario and returns its record, which is also saved in opt.Dir. An error means that there is no run to
// speak of: it wraps ErrScenario where the scenario is at fault, else the harness failed. When ctx ends the run stops,
// heals every fault, and the record tells of what was measured until then.
func Run(ctx context.Context, sc *scenarios.Scenario, opt Options) (*reports.Run, error) {
	t := &trial{
		sc: sc, opt: opt, plan: judge.NewPlan(sc), id: runID(), addresses: newAddresses(),
		bounds: newBounds(opt.Allow), linkCosts: make(map[string]int64),
	}
	if t.opt.Log == nil {
		t.opt.Log = slog.New(slog.DiscardHandler)
	}
	if t.opt.Watch == nil {
		t.opt.Watch = func(Live) {}
	}
	folder, err := record.Create(opt.Dir, sc.Source, sc.Redact)
	if err != nil {
		return nil, err
	}
	if err := folder.OpenLog(); err != nil {
		folder.Discard()
		return nil, err
	}
	t.folder = folder
	defer t.close()
	t.journal = faults.NewJournal(filepath.Join(opt.Dir, faults.JournalFile), sc.Redact)
	t.closers = append(t.closers, t.journal.Close, folder.CloseOutputs)
	if err := t.prepare(ctx); err != nil {
		if over := t.bounds.err(); over != nil {
			err = over
		}
		if ctx.Err() == nil && errors.Is(err, drivers.ErrUnreachable) {
			return t.unhealthy(err)
		}
		folder.Discard()
		return nil, err
	}
	return t.play(ctx)
}

// trial is one run at work.
type trial struct {
	sc     *scenarios.Scenario // resolved once the target runs
	opt    Options
	plan   *judge.Plan
	id     string
	folder *record.Folder
	// journal keeps what must be undone outside this process should it die.
	journal *faults.Journal
	dials   dials
	bounds  *bounds

	addresses *addresses
	target    scenarios.Target
	mesh      faults.Mesh
	linkCosts map[string]int64 // of the links that know theirs, in nanoseconds
	streams   []*member
	zero      atomic.Pointer[time.Time] // of the run's clock: the end of the warm-up
	machine   *machine
	timeline  *timeline
	collector *collector
	closers   []func() error
}

// runID makes the run's part of every identity: 8 characters, 40 bits of chance.
func runID() string {
	var raw [5]byte
	rand.Read(raw[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(raw[:]))
}

// clock is the run's clock: time since the end of the warm-up. Until traffic begins its zero is a guess.
func (t *trial) clock() time.Duration { return time.Since(t.epoch()) }

func (t *trial) epoch() time.Time { return *t.zero.Load() }

// begin starts the run's clock: the warm-up begins now.
func (t *trial) begin() {
	zero := time.Now().Add(t.sc.Run.Warmup)
	t.zero.Store(&zero)
}

// startLimit bounds the start of the target and the opening of the drivers.
const startLimit = 60 * time.Second

// prepare starts the target and opens links, drivers and sources. Nothing is sent yet.
func (t *trial) prepare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if err := t.openLinks(); err != nil {
		return err
	}
	if err := t.startTarget(ctx); err != nil {
		return err
	}
	if err := t.reachable(); err != nil {
		return err
	}
	resolved, err := t.sc.Resolve(t.addresses.known())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	t.sc = resolved
	t.begin()
	for _, consumers := range []bool{false, true} { // a topic that is read may be one that a stream creates
		for i := range t.sc.Traffic {
			if spec := &t.sc.Traffic[i]; (spec.Consume != nil) == consumers {
				if err := t.open(ctx, spec); err != nil {
					return err
				}
			}
		}
	}
	t.join()
	t.timeline, err = t.openFaults(ctx)
	return err
}

// startTarget starts the target, if there is one, and tells its variables with the target's key in front.
func (t *trial) startTarget(ctx context.Context) error {
	config, err := t.sc.ResolveTarget(t.addresses.known())
	if err != nil {
		return fmt.Errorf("%w: %w", ErrScenario, err)
	}
	if config == nil {
		return nil
	}
	tell := func(vars map[string]string) { t.addresses.tell(t.sc.TargetName+".", vars) }
	target, err := config.Start(ctx, scenarios.TargetEnv{
		Seed: uint64(t.sc.Seed), Log: t.opt.Log, Name: t.sc.TargetName, Run: t.id,
		Vars: t.addresses.known(), Known: tell,
		Output: t.folder.Output, Journal: t.journal, Refused: t.dials.refused, Bounds: t.bounds.check,
	})
	if err != nil {
		return fmt.Errorf("start target %s: %w", t.sc.TargetName, err)
	}
	t.target = target
	t.closers = append(t.closers, func() error {
		limit, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		return target.Close(limit)
	})
	tell(target.Vars())
	return nil
}

// env is what the stream's driver and sources get.
func (t *trial) env(spec *scenarios.Stream) drivers.Env {
	return drivers.Env{
		Stream:   spec.Name,
		Identity: drivers.Identity{Run: t.id, Stream: spec.Name},
		Seed:     traffic.Seed(t.sc.Seed, spec.Name),
		Clock:    t.clock,
		Epoch:    t.epoch,
		Dial:     t.dials.over(t.bounds.over(direct)),
		Direct:   t.bounds.over(direct),
		Timeout:  spec.Timeout,
		Sessions: traffic.Sessions(spec),
		Files:    filepath.Dir(t.sc.Path),
		Log:      t.opt.Log,
	}
}

// open prepares one stream: its link if a fault names it, its driver, and what observes its effects.
func (t *trial) open(ctx context.Context, spec *scenarios.Stream) error {
	if spec.Consume != nil {
		return t.consumer(ctx, spec)
	}
	env := t.env(spec)
	if spec.Replay != nil {
		env.Replay = traffic.ReplayChoice(env.Seed, float64(*spec.Replay))
	}
	if err := t.leave(spec, &env); err != nil {
		return err
	}
	witness, err := t.route(spec, &env)
	if err != nil {
		return fmt.Errorf("stream %s: open link: %w", spec.Name, err)
	}
	driver, err := spec.Driver.Open(ctx, env)
	if err != nil {
		return blame(spec, err)
	}
	t.closers = append(t.closers, driver.Close)
	s := &member{spec: spec, env: env, driver: driver}
	s.traffic = traffic.New(traffic.Config{
		Spec: spec, Env: env, Driver: driver, Slots: t.plan.Slots, Timing: t.sc.Run, Results: t.opt.Results,
		Loop: loopRates, Virtual: virtualTime,
	})
	if err := t.observe(ctx, s); err != nil {
		return blame(spec, err)
	}
	if witness != nil {
		s.checks = append(s.checks, witness)
	}
	if env.Replay != nil {
		if account := replays.New(spec.Name, env.Identity, t.plan.Names); s.traffic.Replay(account) {
			s.checks = append(s.checks, account)
		}
	}
	t.add(s)
	return nil
}

// loopRates and virtualTime are set by tests alone.
var (
	loopRates   traffic.LoopRates
	virtualTime bool
)

// add adds an open stream, with a tally of its own.
func (t *trial) add(s *member) {
	s.tally = judge.NewTally(t.plan, t.sc.Expect, s.spec.Name)
	t.streams = append(t.streams, s)
}

// blame tells whose fault an error of opening is.
func blame(spec *scenarios.Stream, err error) error {
	if errors.Is(err, drivers.ErrConfig) {
		return scenarioError{fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)}
	}
	return fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)
}

// observe opens the source that tells where the stream's operations show up, its effects or the driver's own log, and the
// checks of what is seen there.
func (t *trial) observe(ctx context.Context, s *member) error {
	o := &watch.Observer{}
	config := integrity.Config{
		Stream: s.spec.Name, Identity: s.env.Identity, Windows: t.plan.Names, WindowAt: t.plan.WindowAt,
		Mode: integrity.Effect, Order: integrity.RealTime, KeyOf: t.keyOf(s.spec),
	}
	var err error
	if s.spec.Effects != nil {
		o.Place = s.spec.EffectName + " effects"
		o.Source, err = s.spec.Effects.Open(ctx, s.env)
	} else if v, ok := s.driver.(drivers.Verifier); ok {
		config.Mode, config.Order = integrity.Log, integrity.Sequential
		o.Place = "its own log"
		if f, ok := s.driver.(drivers.Fleet); ok {
			config.Producers = f.Producers()
		}
		o.Source, err = v.Source()
	}
	if err != nil || o.Source == nil {
		return err
	}
	t.closers = append(t.closers, o.Close)
	s.observer = o
	s.checks = append(s.checks, integrity.New(config))
	if s.spec.Effects != nil {
		s.checks = append(s.checks, effects.New(effects.Config{Identity: s.env.Identity, Windows: t.plan.Names}))
	}
	return o.Source.Start(ctx)
}

// whole is link for faults: one that asks for a branch as if it were a link cannot aim.
func (t *trial) whole(name string) (faults.Link, error) {
	if link, branch := faults.CutBranch(name); branch != "" {
		return nil, fmt.Errorf("link %s: a fault of this kind breaks it as a whole, without /%s", link, branch)
	}
	return t.link(name)
}

// link returns a link of the mesh, which is opened at the first call.
func (t *trial) link(name string) (faults.Link, error) {
	if t.mesh == nil {
		mesh, err := t.opt.Mesh(t.bounds.over(direct))
		if err != nil {
			return nil, err
		}
		t.mesh = mesh
		t.closers = append(t.closers, func() error {
			limit, cancel := context.WithTimeout(context.Background(), closeLimit)
			defer cancel()
			return mesh.Close(limit)
		})
	}
	link, err := t.mesh.Link(name)
	if err != nil {
		return nil, err
	}
	if c, ok := link.(faults.Calibrated); ok {
		t.linkCosts[name] = int64(c.Cost())
	}
	return link, t.prepareLink(link)
}

// closeLimit bounds the closing of each thing that a run opened.
const closeLimit = 15 * time.Second

// close frees everything, the last opened first. Each step is under a watchdog: what does not end is reported, not waited
// for.
func (t *trial) close() {
	for i := len(t.closers) - 1; i >= 0; i-- {
		done := make(chan error, 1)
		go func() { done <- t.closers[i]() }()
		select {
		case err := <-done:
			if err != nil {
				t.opt.Log.Warn("closing failed", "error", err)
			}
		case <-time.After(closeLimit + time.Second):
			t.opt.Log.Error("closing did not end; something of this run is left behind")
		}
	}
	t.closers = nil
}
