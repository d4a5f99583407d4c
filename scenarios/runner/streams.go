package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"wringer/drivers"
	"wringer/reports/answers"
	"wringer/reports/effects"
	"wringer/reports/integrity"
	"wringer/reports/replays"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// env is the environment of the stream's driver and sources.
func (s *step) env(spec *scenarios.Stream) drivers.Env {
	return drivers.Env{
		Stream:   spec.Name,
		Identity: drivers.Identity{Run: s.id, Stream: spec.Name},
		Seed:     traffic.Seed(s.sc.Seed, spec.Name),
		Clock:    s.clock,
		Epoch:    s.epoch,
		Dial:     s.dials.counted(s.bounds.checked(s.direct)),
		Direct:   s.bounds.checked(s.direct),
		Timeout:  spec.Timeout,
		Sessions: traffic.Sessions(spec),
		Files:    filepath.Dir(s.sc.Path),
		Log:      s.opt.Log,
	}
}

// loopRates is set only by tests.
var loopRates traffic.LoopRates

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
	plan := s.planOf(spec.Name)
	witness, err := s.route(spec, &env, plan)
	if err != nil {
		return fmt.Errorf("stream %s: open link: %w", spec.Name, err)
	}
	driver, err := spec.Driver.Open(ctx, env)
	if err != nil {
		return openError(spec, err)
	}
	s.opened.add(driver.Close)
	m := &member{spec: spec, env: env, driver: driver, plan: plan}
	m.traffic = traffic.New(traffic.Config{
		Spec: spec, Env: env, Driver: driver, Slots: plan.Slots, Timing: s.sc.Run, Results: s.opt.Results,
		Loop: loopRates, Virtual: s.opt.Network.Virtual, Cuts: &s.cuts,
	})
	if err := s.observe(ctx, m); err != nil {
		return openError(spec, err)
	}
	if witness != nil {
		m.checks = append(m.checks, witness)
	}
	if spec.Describe().Checks {
		m.checks = append(m.checks, answers.New(checkConfig(m)))
	}
	if env.Replay != nil {
		if account := replays.New(spec.Name, env.Identity, plan.Names); m.traffic.Replay(account) {
			m.checks = append(m.checks, account)
		}
	}
	s.add(m)
	return nil
}

// add adds an open stream, with a tally of its own.
func (s *step) add(m *member) {
	m.tally = judge.NewTally(m.plan, s.sc.Expect, m.spec.Name)
	s.streams = append(s.streams, m)
}

// openError names the stream in an error of opening, and marks an error that the scenario caused.
func openError(spec *scenarios.Stream, err error) error {
	if errors.Is(err, drivers.ErrConfig) {
		return scenarioError{fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)}
	}
	return fmt.Errorf("stream %s: %s: %w", spec.Name, spec.DriverName, err)
}

// observe opens the source of the stream's effects, or the driver's own log, and the checks of its deliveries.
func (s *step) observe(ctx context.Context, m *member) error {
	o := &watch.Observer{}
	config := integrity.Config{
		Stream: m.spec.Name, Identity: m.env.Identity, Windows: m.plan.Names, WindowAt: m.plan.WindowAt,
		Mode: integrity.Effect, Order: integrity.RealTime, KeyOf: s.keyOf(m.spec),
	}
	var err error
	if m.spec.Effects != nil {
		o.Place = m.spec.EffectName + " effects"
		o.Source, err = m.spec.Effects.Open(ctx, m.env)
	} else if v, ok := m.driver.(drivers.Verifier); ok {
		config.Mode, config.Order = integrity.Log, integrity.Sequential
		o.Place = "its own log"
		if f, ok := m.driver.(drivers.Producers); ok {
			config.Producers = f.Producers()
		}
		o.Source, err = v.Source()
	}
	if err != nil || o.Source == nil {
		return err
	}
	s.opened.add(o.Close)
	m.observer = o
	m.checks = append(m.checks, integrity.New(config))
	if m.spec.Effects != nil {
		m.checks = append(m.checks, effects.New(effects.Config{Identity: m.env.Identity, Windows: m.plan.Names}))
	}
	return o.Source.Start(ctx)
}
