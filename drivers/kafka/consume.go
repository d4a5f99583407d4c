package kafka

import (
	"context"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// Consume is the `kafka:` part of `consume:`: a topic that the target publishes to.
type Consume struct {
	Brokers       string            `yaml:"brokers" jsonschema:"required" jsonschema_description:"Brokers to begin with: host:port, separated by commas."`
	Topic         string            `yaml:"topic" jsonschema:"required" jsonschema_description:"The topic to read, from its end at the start of the run."`
	ID            string            `yaml:"id" jsonschema_description:"Where the identity stands: a JSON path into the value, as in $.orderId, or header NAME. Default: header wringer-id."`
	Key           string            `yaml:"key" jsonschema_description:"Where the key stands: a JSON path into the value. Default: the record's key."`
	Sequence      string            `yaml:"sequence" jsonschema_description:"JSON path to a whole number that rises within the key: it tells the order that was meant, and gaps where it counts up by one."`
	ReadCommitted *bool             `yaml:"read_committed" jsonschema_description:"Do not see what transactions aborted or have not committed. Default true."`
	Group         *Group            `yaml:"group" jsonschema_description:"A group of consumers that reads the topic too, and is under test. Default: none; a single reader of all partitions judges the topic."`
	Schema        *Translation      `yaml:"schema" jsonschema_description:"Values are encoded by schemas of a Schema Registry."`
	TLS           *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the brokers."`
	SASL          *SASL             `yaml:"sasl" jsonschema_description:"Log in to the brokers."`
}

// Check implements drivers.SourceConfig.
func (c *Consume) Check(problem func(field, message string)) {
	checkPlace(c.Brokers, c.Topic, problem)
	c.access().check(problem)
	c.fields().check(problem)
	c.Schema.check(problem)
	if c.Group != nil {
		c.Group.check(problem)
	}
}

func (c *Consume) committed() bool { return c.ReadCommitted == nil || *c.ReadCommitted }

func (c *Consume) access() access { return access{c.TLS, c.SASL} }

func (c *Consume) fields() fieldConfig {
	return fieldConfig{id: c.ID, key: c.Key, sequence: c.Sequence}
}

// Open implements drivers.SourceConfig. It dials nothing.
func (c *Consume) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, err := newSource(env, c.Brokers, c.Topic, c.access(), c.fields(), c.Schema, c.committed())
	if err != nil {
		return nil, err
	}
	s.autoCreate = true
	return s, nil
}
