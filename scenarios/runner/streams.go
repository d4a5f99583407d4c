package runner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"wringer/drivers"
	"wringer/reports/answers"
	"wringer/reports/integrity"
	"wringer/reports/replays"
	"wringer/reports/replies"
	"wringer/reports/slowest"
	"wringer/scenarios"
	"wringer/scenarios/runner/judge"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// env is the environment of the stream's driver and sources.
func (s *step) env(spec *scenarios.Stream) drivers.Env {
	env := drivers.Env{
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
		Due:      s.journal.Due,
		Log:      s.opt.Log,
	}
	if elsewhere := s.null[spec.Name]; elsewhere != nil {
		env.Dial = elsewhere.Through(env.Dial)
		env.Direct = env.Dial
	}
	return env
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
	env.Trace = spec.Tracing(s.opt.Trace)
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
	if a, ok := driver.(drivers.Astray); ok {
		strays := replies.New(checkConfig(m))
		a.Strays(strays.Stray)
		m.checks = append(m.checks, strays)
	}
	if env.Replay != nil {
		if account := replays.New(spec.Name, env.Identity, plan.Names); m.traffic.Replay(account) {
			m.checks = append(m.checks, account)
		}
	}
	if len(env.Trace.Headers) > 0 {
		m.slowest = slowest.New(checkConfig(m), env.Trace)
		m.checks = append(m.checks, m.slowest)
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

// observe opens the places of the stream's effects, or its own log, and the checks of their deliveries.
func (s *step) observe(ctx context.Context, m *member) error {
	if len(m.spec.Places) > 0 {
		return s.openPlaces(ctx, m)
	}
	v, ok := m.driver.(drivers.Verifier)
	if !ok || s.null != nil {
		return nil
	}
	source, err := v.Source()
	if err != nil || source == nil {
		return err
	}
	config := integrity.Config{
		Stream: m.spec.Name, Identity: m.env.Identity, Windows: m.plan.Names, WindowAt: m.plan.WindowAt,
		Mode: integrity.Log, Order: integrity.Sequential, KeyOf: s.keyOf(m.spec),
		OrderNote: m.spec.Describe().OrderNote, LossNote: m.spec.Describe().LossNote,
	}
	if f, ok := m.driver.(drivers.Producers); ok {
		config.Producers = f.Producers()
	}
	o := &watch.Observer{Source: source, Place: "its own log"}
	s.opened.add(o.Close)
	m.observers = append(m.observers, o)
	m.checks = append(m.checks, integrity.New(config))
	return source.Start(ctx)
}
