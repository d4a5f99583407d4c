package runner

import (
	"context"
	"fmt"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/groups"
	"wringer/reports/integrity"
	"wringer/scenarios"
	"wringer/scenarios/runner/traffic"
	"wringer/scenarios/runner/watch"
)

// consumer opens a stream that sends nothing and reads the records of others.
func (s *step) consumer(ctx context.Context, spec *scenarios.Stream) error {
	env := s.env(spec)
	m := &member{spec: spec, env: env, plan: s.planOf(spec.Name)}
	c := spec.Consume
	source, err := c.Source.Open(ctx, env)
	if err != nil {
		return openConsumerError(spec, err)
	}
	o := &watch.Observer{Source: source, Place: c.SourceName + " " + c.Describe().Place}
	m.observers = append(m.observers, o)
	s.opened.add(o.Close)
	m.checks = s.recordChecks(m)
	if err := source.Start(ctx); err != nil {
		return openConsumerError(spec, err)
	}
	if err := s.group(ctx, m, o); err != nil {
		return openConsumerError(spec, err)
	}
	s.add(m)
	return nil
}

// group opens the group of consumers that reads beside the stream's source, if there is one. Its members are under test: if a
// fault names the stream, its link lies between the members and the brokers.
func (s *step) group(ctx context.Context, m *member, o *watch.Observer) error {
	if !m.spec.Consume.Describe().Grouped {
		return nil
	}
	env := s.env(m.spec)
	if _, err := s.route(m.spec, &env, m.plan); err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	group, err := m.spec.Consume.Source.(drivers.GroupConfig).OpenGroup(env)
	if err != nil {
		return err
	}
	if err := group.Start(ctx, o.Source); err != nil {
		return err
	}
	account := groups.New(groups.Config{Stream: m.spec.Name, Windows: m.plan.Names, WindowAt: m.plan.WindowAt})
	o.Group = &watch.Group{Group: group, Account: account, Length: s.sc.Run.Duration}
	m.checks = append(m.checks, account)
	return nil
}

// recordChecks compare the records with the operations of another stream, and with the numbers or identities that the
// records carry.
func (s *step) recordChecks(m *member) []reports.Check {
	spec := m.spec
	numbered := spec.Consume.Describe().Sequenced
	of := s.sc.Stream(spec.Consume.Of)
	var checks []reports.Check
	if of != nil {
		config := integrity.Config{
			Stream: spec.Name, Identity: drivers.Identity{Run: s.id, Stream: of.Name}, Windows: m.plan.Names, WindowAt: m.plan.WindowAt,
			Mode: integrity.Published, Order: integrity.RealTime, KeyOf: s.keyOf(of),
		}
		if numbered {
			config.Order = integrity.None
		}
		checks = append(checks, integrity.New(config))
	}
	if numbered || of == nil {
		checks = append(checks, integrity.NewTopic(integrity.TopicConfig{
			Stream: spec.Name, Windows: m.plan.Names, WindowAt: m.plan.WindowAt, Sequenced: numbered, OrderAlone: of != nil,
		}))
	}
	return checks
}

// keyOf is the key of each of a stream's operations; nil without keys.
func (s *step) keyOf(spec *scenarios.Stream) func(seq uint64) uint64 {
	if spec.Keys == 0 {
		return nil
	}
	return drivers.KeysOf(traffic.Seed(s.sc.Seed, spec.Name), spec.Keys)
}

// join opens the checks of the language, and lets every check follow its events. The checks of a consumer follow the operations
// of the stream that they look for, so all streams are open by now.
func (s *step) join() {
	for _, m := range s.streams {
		s.openChecks(m)
		operations := m.traffic
		if c := m.spec.Consume; c != nil && c.Of != "" {
			operations = s.streams[s.streamIndex(c.Of)].traffic
		}
		m.subscribe(operations)
	}
}

func openConsumerError(spec *scenarios.Stream, err error) error {
	return openError(spec, fmt.Errorf("consume: %w", err))
}
