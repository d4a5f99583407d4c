package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"wringer/drivers"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/scenarios"
	"wringer/scenarios/runner/traffic"
)

// env is the environment of the stream's driver and sources.
func (s *step) env(spec *scenarios.Stream) drivers.Env {
	return drivers.Env{
		Stream:   spec.Name,
		Identity: drivers.Identity{Run: s.id, Stream: spec.Name},
		Seed:     traffic.Seed(s.sc.Seed, spec.Name),
		Clock:    s.clock,
		Epoch:    s.epoch,
		Dial:     s.dials.over(s.bounds.over(direct)),
		Direct:   s.bounds.over(direct),
		Timeout:  spec.Timeout,
		Sessions: traffic.Sessions(spec),
		Files:    filepath.Dir(s.sc.Path),
		Log:      s.opt.Log,
	}
}

// loopRates and virtualTime are set by tests alone.
var (
	loopRates   traffic.LoopRates
	virtualTime bool
)

// open opens one stream: its link if a fault names the stream, its driver, and the source of its effects.
func (s *step) open(ctx context.Context, spec *scenarios.Stream) error {
	if spec.Consume != nil {
		return s.consumer(ctx, spec)
	}
	env := s.env(spec)
	if spec.Replay != nil {
		env.Replay = traffic.ReplayChoice(env.Seed, float64(*spec.Replay))
	}
	if err := s.bindLocalAddrs(spec, &env); err != nil {
		return err
	}
	witness, err := s.route(spec, &env)
	if err != nil {
		return fmt.Errorf("stream %s: open link: %w", spec.Name, err)
	}
	driver, err := spec.Driver.Open(ctx, env)
	if err != nil {
		return openError(spec, err)
	}
	s.opened.add(driver.Close)
	m := &member{spec: spec, env: env, driver: driver}
	m.traffic = traffic.New(traffic.Config{
		Spec: spec, Env: env, Driver: driver, Slots: s.plan.slots, Timing: s.sc.Run, Results: s.opt.Results,
		Loop: loopRates, Virtual: virtualTime,
	})
	if m.effects, err = s.observe(ctx, spec, env, driver); err != nil {
		return openError(spec, err)
	}
	m.follow(witness, s.plan.names)
	s.add(m)
	return nil
}

// add adds an open stream, with a tally of its own.
func (s *step) add(m *member) {
	m.tally = newTally(s.plan.slots, len(s.plan.names))
	m.tally.worst = newWorst(s.sc.Expect, m.spec.Name)
	s.streams = append(s.streams, m)
}

// openError names the stream in an error of opening, and marks an error that the scenario caused.
func openError(spec *scenarios.Stream, err error) error {
	if errors.Is(err, drivers.ErrConfig) {
		return scenarioError{fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)}
	}
	return fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)
}

// observe opens the source in which the stream's operations must show up: its effects, or the driver's own log. It returns nil
// when there is none.
func (s *step) observe(ctx context.Context, spec *scenarios.Stream, env drivers.Env, driver drivers.Driver) (*observer, error) {
	o := &observer{}
	config := integrity.Config{
		Stream: spec.Name, Identity: env.Identity, Windows: s.plan.names,
		Mode: integrity.Effect, Order: integrity.RealTime,
	}
	config.KeyOf = s.keyOf(spec)
	var err error
	if spec.Effects != nil {
		o.place = spec.EffectName + " effects"
		o.times = effects.New(effects.Config{Identity: env.Identity, Windows: s.plan.names})
		o.source, err = spec.Effects.Open(ctx, env)
	} else if v, ok := driver.(drivers.Verifier); ok {
		config.Mode, config.Order = integrity.Log, integrity.Sequential
		o.place = "its own log"
		if f, ok := driver.(drivers.Fleet); ok {
			config.Producers = f.Producers()
		}
		o.source, err = v.Source()
	}
	if err != nil || o.source == nil {
		return nil, err
	}
	s.opened.add(o.close)
	o.ledger = integrity.New(config)
	return o, o.source.Start(ctx)
}
