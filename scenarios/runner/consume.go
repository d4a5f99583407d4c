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

// consumer opens a stream that sends nothing and reads what others publish.
func (t *trial) consumer(ctx context.Context, spec *scenarios.Stream) error {
	env := t.env(spec)
	s := &member{spec: spec, env: env}
	c := spec.Consume
	source, err := c.Source.Open(ctx, env)
	if err != nil {
		return blameConsumer(spec, err)
	}
	s.observer = &watch.Observer{Source: source, Place: c.SourceName + " " + placeOf(c.Source)}
	t.closers = append(t.closers, s.observer.Close)
	s.checks = t.recordChecks(spec)
	if err := source.Start(ctx); err != nil {
		return blameConsumer(spec, err)
	}
	if err := t.group(ctx, s); err != nil {
		return blameConsumer(spec, err)
	}
	t.add(s)
	return nil
}

// group opens the group of consumers that reads beside the stream's source, if there is one. Its members are under test:
// where a fault names the stream, its link lies between them and the brokers.
func (t *trial) group(ctx context.Context, s *member) error {
	if !scenarios.Grouped(s.spec.Consume.Source) {
		return nil
	}
	env := t.env(s.spec)
	if _, err := t.route(s.spec, &env); err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	group, err := s.spec.Consume.Source.(drivers.Grouped).OpenGroup(env)
	if err != nil {
		return err
	}
	if err := group.Start(ctx, s.observer.Source); err != nil {
		return err
	}
	account := groups.New(groups.Config{Stream: s.spec.Name, Windows: t.plan.Names, WindowAt: t.plan.WindowAt})
	s.observer.Group = &watch.Group{Group: group, Account: account, Length: t.sc.Run.Duration}
	s.checks = append(s.checks, account)
	return nil
}

// recordChecks compare the records with the operations of another stream, and with the numbers or identities that the
// records carry.
func (t *trial) recordChecks(spec *scenarios.Stream) []reports.Check {
	numbered := scenarios.Sequenced(spec.Consume.Source)
	of := t.sc.Stream(spec.Consume.Of)
	var checks []reports.Check
	if of != nil {
		config := integrity.Config{
			Stream: spec.Name, Identity: drivers.Identity{Run: t.id, Stream: of.Name}, Windows: t.plan.Names, WindowAt: t.plan.WindowAt,
			Mode: integrity.Published, Order: integrity.RealTime, KeyOf: t.keyOf(of),
		}
		if numbered {
			config.Order = integrity.None
		}
		checks = append(checks, integrity.New(config))
	}
	if numbered || of == nil {
		checks = append(checks, integrity.NewTopic(integrity.TopicConfig{
			Stream: spec.Name, Windows: t.plan.Names, WindowAt: t.plan.WindowAt, Sequenced: numbered, OrderAlone: of != nil,
		}))
	}
	return checks
}

// keyOf is the key of each of a stream's operations; nil without keys.
func (t *trial) keyOf(spec *scenarios.Stream) func(seq uint64) uint64 {
	if spec.Keys == 0 {
		return nil
	}
	return drivers.KeysOf(traffic.Seed(t.sc.Seed, spec.Name), spec.Keys)
}

// join opens the checks of the language, and lets every check take what it follows. The checks of a consumer follow the
// operations of the stream that they look for; so all streams are open by now.
func (t *trial) join() {
	for _, s := range t.streams {
		t.openChecks(s)
		operations := s.traffic
		if c := s.spec.Consume; c != nil && c.Of != "" {
			operations = t.streams[t.streamIndex(c.Of)].traffic
		}
		s.subscribe(operations)
	}
}

func blameConsumer(spec *scenarios.Stream, err error) error {
	return blame(spec, fmt.Errorf("consume: %w", err))
}
