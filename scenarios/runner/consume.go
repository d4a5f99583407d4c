package runner

import (
	"context"
	"fmt"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/integrity"
	"wringer/scenarios"
	"wringer/scenarios/runner/traffic"
)

// consumer opens a stream that sends nothing and reads the records that others publish.
func (s *step) consumer(ctx context.Context, spec *scenarios.Stream) error {
	env := s.env(spec)
	m := &member{spec: spec, env: env}
	c := spec.Consume
	source, err := c.Source.Open(ctx, env)
	if err != nil {
		return openConsumerError(spec, err)
	}
	m.effects = &observer{source: source, place: c.SourceName + " " + placeOf(c.Source)}
	s.opened.add(m.effects.close)
	m.effects.topic, m.effects.ledger = s.accounts(spec)
	if err := source.Start(ctx); err != nil {
		return openConsumerError(spec, err)
	}
	if m.effects.group, err = s.herd(ctx, spec, source); err != nil {
		return openConsumerError(spec, err)
	}
	s.add(m)
	return nil
}

// herd opens the group under test that reads beside a source; nil when there is none. If a fault names the stream, its link lies
// between the group's members and the brokers.
func (s *step) herd(ctx context.Context, spec *scenarios.Stream, source drivers.Source) (*herd, error) {
	if !scenarios.Grouped(spec.Consume.Source) {
		return nil, nil
	}
	env := s.env(spec)
	if _, err := s.route(spec, &env); err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	group, err := spec.Consume.Source.(drivers.Grouped).OpenGroup(env)
	if err != nil {
		return nil, err
	}
	if err := group.Start(ctx, source); err != nil {
		return nil, err
	}
	account := integrity.NewGroup(integrity.GroupConfig{Stream: spec.Name, Windows: s.plan.names, WindowAt: s.plan.windowAt})
	return &herd{group: group, account: account, length: s.sc.Run.Duration}, nil
}

// accounts returns the accounts that records are compared by: one for the numbers or identities that the records carry, and one
// for the operations of another stream. At least one is not nil.
func (s *step) accounts(spec *scenarios.Stream) (*integrity.Topic, *integrity.Ledger) {
	var topic *integrity.Topic
	numbered := scenarios.Sequenced(spec.Consume.Source)
	if numbered || spec.Consume.Of == "" {
		topic = integrity.NewTopic(integrity.TopicConfig{Stream: spec.Name, Windows: s.plan.names, WindowAt: s.plan.windowAt, Sequenced: numbered})
	}
	of := s.sc.Stream(spec.Consume.Of)
	if of == nil {
		return topic, nil
	}
	config := integrity.Config{
		Stream: spec.Name, Identity: drivers.Identity{Run: s.id, Stream: of.Name}, Windows: s.plan.names,
		Mode: integrity.Published, Order: integrity.RealTime,
	}
	if numbered {
		config.Order = integrity.None
	}
	config.KeyOf = s.keyOf(of)
	return topic, integrity.New(config)
}

// keyOf is the key of each of a stream's operations; nil without keys.
func (s *step) keyOf(spec *scenarios.Stream) func(seq uint64) uint64 {
	if spec.Keys == 0 {
		return nil
	}
	return drivers.KeysOf(traffic.Seed(s.sc.Seed, spec.Name), spec.Keys)
}

// join subscribes the accounts of consumers to the streams whose operations they look for. All streams are open.
func (s *step) join() {
	for _, m := range s.streams {
		if c := m.spec.Consume; c != nil && m.effects.ledger != nil {
			of := s.streams[s.streamIndex(c.Of)]
			of.traffic.Follow(m.effects.ledger)
		}
	}
}

func openConsumerError(spec *scenarios.Stream, err error) error {
	return openError(spec, fmt.Errorf("consume: %w", err))
}

// silentTopics names the consumers that saw nothing which they could judge, and the groups that were put to no test.
func (t *step) silentTopics(run *reports.Run) []string {
	var why []string
	for _, s := range t.streams {
		if s.spec.Consume == nil {
			continue
		}
		stream := run.Streams[s.spec.Name]
		total := &stream.Total
		if g, ok := s.spec.Consume.Source.(drivers.Grouped); ok && g.Churned() && len(stream.Strikes) == 0 {
			why = append(why, fmt.Sprintf("stream %s: its churn struck no member", s.spec.Name))
		}
		switch {
		case total.Group != nil && total.Group.Records > 0:
			if failed := s.effects.group.end.Failed; failed != "" {
				why = append(why, fmt.Sprintf("stream %s: %s", s.spec.Name, failed))
			}
		case nothingSeen(total):
			why = append(why, fmt.Sprintf("stream %s: no record with an identity of its own was seen in %s", s.spec.Name, s.effects.place))
		}
	}
	return why
}

func nothingSeen(m *reports.Measures) bool {
	return m == nil || m.Integrity == nil || zero(m.Integrity.Seen)
}

// needsRecords says of a count that 0 shows nothing unless records were seen: only what was acked can be missed without.
func needsRecords(name string) bool { return name != "lost" && name != "unseen" && name != "acked" }
