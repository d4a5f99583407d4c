package runner

import (
	"context"
	"fmt"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/integrity"
	"wringer/scenarios"
)

// consumer opens a stream that sends nothing and reads what others publish.
func (t *trial) consumer(ctx context.Context, spec *scenarios.Stream) error {
	env := t.env(spec)
	s := newStream(spec, env, t.plan.slots, t.sc.Run)
	c := spec.Consume
	source, err := c.Source.Open(ctx, env)
	if err != nil {
		return blameConsumer(spec, err)
	}
	s.effects = &observer{source: source, place: c.SourceName + " " + c.Describe().Place}
	t.closers = append(t.closers, s.effects.close)
	s.effects.topic, s.effects.ledger = t.accounts(spec)
	if err := source.Start(ctx); err != nil {
		return blameConsumer(spec, err)
	}
	if s.effects.group, err = t.herd(ctx, spec, source); err != nil {
		return blameConsumer(spec, err)
	}
	t.add(s)
	return nil
}

// herd opens the group that reads beside a source, nil when there is none. Its members are under test: where a fault names
// the stream, its link lies between them and the brokers.
func (t *trial) herd(ctx context.Context, spec *scenarios.Stream, source drivers.Source) (*herd, error) {
	if !spec.Consume.Describe().Grouped {
		return nil, nil
	}
	env := t.env(spec)
	if _, err := t.route(spec, &env); err != nil {
		return nil, fmt.Errorf("open link: %w", err)
	}
	group, err := spec.Consume.Source.(drivers.GroupConfig).OpenGroup(env)
	if err != nil {
		return nil, err
	}
	if err := group.Start(ctx, source); err != nil {
		return nil, err
	}
	account := integrity.NewGroup(integrity.GroupConfig{Stream: spec.Name, Windows: t.plan.names, WindowAt: t.plan.windowAt})
	return &herd{group: group, account: account, length: t.sc.Run.Duration}, nil
}

// accounts are what the records are compared by: the operations of another stream, and the numbers or identities that the
// records carry.
func (t *trial) accounts(spec *scenarios.Stream) (*integrity.Topic, *integrity.Ledger) {
	var topic *integrity.Topic
	numbered := spec.Consume.Describe().Sequenced
	if numbered || spec.Consume.Of == "" {
		topic = integrity.NewTopic(integrity.TopicConfig{Stream: spec.Name, Windows: t.plan.names, WindowAt: t.plan.windowAt, Sequenced: numbered})
	}
	of := t.sc.Stream(spec.Consume.Of)
	if of == nil {
		return topic, nil
	}
	config := integrity.Config{
		Stream: spec.Name, Identity: drivers.Identity{Run: t.id, Stream: of.Name}, Windows: t.plan.names,
		Mode: integrity.Published, Order: integrity.RealTime,
	}
	if numbered {
		config.Order = integrity.None
	}
	config.KeyOf = t.keyOf(of)
	return topic, integrity.New(config)
}

// keyOf is the key of each of a stream's operations; nil without keys.
func (t *trial) keyOf(spec *scenarios.Stream) func(seq uint64) uint64 {
	if spec.Keys == 0 {
		return nil
	}
	return drivers.KeysOf(streamSeed(t.sc.Seed, spec.Name), spec.Keys)
}

// join lets the accounts of consumers follow the streams whose operations they look for, once all are open.
func (t *trial) join() {
	for _, s := range t.streams {
		if c := s.spec.Consume; c != nil && s.effects.ledger != nil {
			of := t.streams[t.streamIndex(c.Of)]
			of.followers = append(of.followers, s.effects.ledger)
		}
	}
}

func blameConsumer(spec *scenarios.Stream, err error) error {
	return blame(spec, fmt.Errorf("consume: %w", err))
}

// silentTopics names the consumers that saw nothing which they could judge, and the groups that were put to no test.
func (t *trial) silentTopics(run *reports.Run) []string {
	var why []string
	for _, s := range t.streams {
		if s.spec.Consume == nil {
			continue
		}
		stream := run.Streams[s.spec.Name]
		total := &stream.Total
		if s.spec.Consume.Describe().Churned && len(stream.Strikes) == 0 {
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
