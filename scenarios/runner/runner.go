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
	"wringer/scenarios"
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
	// Results takes every attempt of the measured operations, in a form of its own; nil: nobody does.
	Results Results
	Version string
	Log     *slog.Logger
}

// Results is told of operations as they end, from many goroutines. It must not block, nor keep the event.
type Results interface {
	// Begin names a stream before its first operation, with the place that it sends to and the zero of the run's clock.
	Begin(stream, place string, epoch time.Time)
	Ended(stream string, e *reports.Ended)
	// Settled says that every measured operation of the stream that was planned before until is over, and was told.
	Settled(stream string, until time.Duration)
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
		sc: sc, opt: opt, plan: newPlan(sc), id: runID(), addresses: newAddresses(),
		bounds: newBounds(opt.Allow), linkCosts: make(map[string]int64),
	}
	if t.opt.Log == nil {
		t.opt.Log = slog.New(slog.DiscardHandler)
	}
	if t.opt.Watch == nil {
		t.opt.Watch = func(Live) {}
	}
	book, err := openBook(opt.Dir, sc)
	if err != nil {
		return nil, err
	}
	t.book = book
	defer t.close()
	t.journal = faults.NewJournal(filepath.Join(opt.Dir, faults.JournalFile), sc.Redact)
	t.closers = append(t.closers, t.journal.Close, book.closeOutputs)
	if err := t.prepare(ctx); err != nil {
		if over := t.bounds.err(); over != nil {
			err = over
		}
		if ctx.Err() == nil && errors.Is(err, drivers.ErrUnreachable) {
			return t.unhealthy(err)
		}
		book.discard()
		return nil, err
	}
	return t.play(ctx)
}

// trial is one run at work.
type trial struct {
	sc   *scenarios.Scenario // resolved once the target runs
	opt  Options
	plan *plan
	id   string
	book *book
	// journal keeps what must be undone outside this process should it die.
	journal *faults.Journal
	dials   dials
	bounds  *bounds

	addresses *addresses
	target    scenarios.Target
	mesh      faults.Mesh
	linkCosts map[string]int64 // of the links that know theirs, in nanoseconds
	streams   []*stream
	tallies   []*tally
	zero      atomic.Pointer[time.Time] // of the run's clock: the end of the warm-up
	machine   *machine
	timeline  *timeline
	collector *collector
	closers   []func() error
	// unknown says why an integrity count is not fully known, by stream and count.
	unknown map[string]map[string]string
	// effects holds, by stream, how long effects took.
	effects map[string]*effects.Result
	// blind says why what a stream's witness saw is not everything.
	blind map[string]string
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
		Output: t.book.output, Journal: t.journal, Refused: t.dials.refused, Bounds: t.bounds.check,
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
		Seed:     streamSeed(t.sc.Seed, spec.Name),
		Clock:    t.clock,
		Epoch:    t.epoch,
		Dial:     t.dials.over(t.bounds.over(direct)),
		Direct:   t.bounds.over(direct),
		Timeout:  spec.Timeout,
		Sessions: sessions(spec),
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
		env.Replay = chosen(env.Seed, float64(*spec.Replay))
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
	s := newStream(spec, env, t.plan.slots, t.sc.Run)
	s.driver = driver
	s.meaning = meanings(spec.Outcomes, spec.Describe().StatusPrefix)
	if s.effects, err = t.observe(ctx, spec, env, driver); err != nil {
		return blame(spec, err)
	}
	s.follow(witness, t.plan.names)
	t.add(s)
	return nil
}

// add adds an open stream, with a tally of its own.
func (t *trial) add(s *stream) {
	tally := newTally(t.plan.slots, len(t.plan.names))
	tally.worst = newWorst(t.sc.Expect, s.spec.Name)
	t.streams, t.tallies = append(t.streams, s), append(t.tallies, tally)
}

// blame tells whose fault an error of opening is.
func blame(spec *scenarios.Stream, err error) error {
	if errors.Is(err, drivers.ErrConfig) {
		return scenarioError{fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)}
	}
	return fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)
}

// observe opens the source that tells where the stream's operations show up: its effects, or the driver's own log.
func (t *trial) observe(ctx context.Context, spec *scenarios.Stream, env drivers.Env, driver drivers.Driver) (*observer, error) {
	o := &observer{}
	config := integrity.Config{
		Stream: spec.Name, Identity: env.Identity, Windows: t.plan.names,
		Mode: integrity.Effect, Order: integrity.RealTime,
	}
	config.KeyOf = t.keyOf(spec)
	var err error
	if spec.Effects != nil {
		o.place = spec.EffectName + " effects"
		o.times = effects.New(effects.Config{Identity: env.Identity, Windows: t.plan.names})
		o.source, err = spec.Effects.Open(ctx, env)
	} else if v, ok := driver.(drivers.Verifier); ok {
		config.Mode, config.Order = integrity.Log, integrity.Sequential
		o.place = "its own log"
		if f, ok := driver.(drivers.Producers); ok {
			config.Producers = f.Producers()
		}
		o.source, err = v.Source()
	}
	if err != nil || o.source == nil {
		return nil, err
	}
	t.closers = append(t.closers, o.close)
	o.ledger = integrity.New(config)
	return o, o.source.Start(ctx)
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
