package amqp

import (
	"context"
	"fmt"

	"wringer/drivers"
	"wringer/drivers/tlsconfig"
)

// Consume is the `amqp:` part of `consume:`: an exchange or a queue that the target publishes to.
type Consume struct {
	URL        string            `yaml:"url" jsonschema:"required" jsonschema_description:"Where the broker is: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS. Write the password as ${env.NAME}: what comes from the environment is never recorded."`
	Exchange   string            `yaml:"exchange" jsonschema_description:"The exchange to listen at, by a queue of our own that gets a copy of each message. Or queue."`
	RoutingKey string            `yaml:"routing_key" jsonschema_description:"Which messages of the exchange: an exact key (direct), or a pattern (topic). Default: all; a direct exchange needs it."`
	Arguments  map[string]any    `yaml:"arguments" jsonschema_description:"Which messages of a headers exchange: {x-match: all, region: eu}. Default: all."`
	Queue      string            `yaml:"queue" jsonschema_description:"A queue that is there already. Its messages are taken away from the system, unless it is a stream."`
	Stream     bool              `yaml:"stream" jsonschema_description:"The queue is a stream: several may read it, and nothing is taken away."`
	Management string            `yaml:"management" jsonschema_description:"The management API, which is asked for the binding of our own queue: http://USER:PASSWORD@HOST:15672/, or https://. So an exchange that was deleted and declared anew is noticed. Without a user, that of url. Goes with exchange. Default: the exchange alone is looked for."`
	ID         string            `yaml:"id" jsonschema_description:"Where the identity stands: a JSON path into the body, as in $.orderId, message_id, or header NAME. Default: header wringer-id."`
	Key        string            `yaml:"key" jsonschema_description:"Where the key stands: a JSON path into the body. Default: no key."`
	Sequence   string            `yaml:"sequence" jsonschema_description:"JSON path to a whole number that rises within the key: it tells the order that was meant, and gaps where it counts up by one."`
	Group      *Group            `yaml:"group" jsonschema_description:"Consumers that share a second queue on the exchange, and are under test. Default: none; a single reader judges the messages."`
	TLS        *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the broker."`
	SASL       *SASL             `yaml:"sasl" jsonschema_description:"Log in to the broker by other means than the URL's user."`
}

// Check implements drivers.SourceConfig.
func (c *Consume) Check(problem func(field, message string)) {
	c.access().check(problem)
	c.reading().check(problem)
	c.fields().check(problem)
	if c.Group == nil {
		return
	}
	if c.Exchange == "" {
		problem("group", "needs exchange: its queue gets a copy of each message, beside the reader's")
	}
	c.Group.check(problem)
}

// Describe implements drivers.SourceConfig. Faults can break the group's connections to one node.
func (c *Consume) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: c.reading().place(), Sequenced: c.Sequence != "", Peers: true}
	if !c.Stream {
		d.Gauges = []string{"lag"}
	}
	if g := c.Group; g != nil {
		d.Grouped, d.Churned = true, g.Churn != nil
		d.Gauges, d.Counters = append(d.Gauges, groupGauges...), groupGauges
		d.Place += fmt.Sprintf(", by %d consumers that ack %s too", g.Members, map[string]string{
			ackAuto: "nothing themselves", ackBefore: "before their work", ackAfter: "after their work"}[g.ack()])
	}
	return d
}

// Warnings implements drivers.Warner.
func (c *Consume) Warnings() []string { return c.reading().warnings() }

// CheckBranch implements drivers.Branched.
func (c *Consume) CheckBranch(text string) error { return checkBranch(c.URL, text) }

// Open implements drivers.SourceConfig. It dials nothing.
func (c *Consume) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, err := c.reading().source(env, c.access(), c.fields())
	if err != nil {
		return nil, err
	}
	if c.Group != nil {
		s.ledger = newLedger()
	}
	return s, nil
}

func (c *Consume) access() access { return access{c.URL, c.TLS, c.SASL} }

func (c *Consume) fields() fieldConfig {
	return fieldConfig{id: c.ID, key: c.Key, sequence: c.Sequence}
}

func (c *Consume) reading() reading {
	return reading{c.URL, c.Exchange, c.RoutingKey, c.Arguments, c.Queue, c.Stream, nil, c.Management}
}
