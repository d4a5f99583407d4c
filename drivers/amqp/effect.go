package amqp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"wringer/drivers"
	"wringer/drivers/effect"
	"wringer/drivers/tlsconfig"
)

// Effect is the `amqp:` part of `effects:`: an exchange or a queue in which every operation must show up.
type Effect struct {
	URL        string            `yaml:"url" jsonschema:"required" jsonschema_description:"Where the broker is: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps:// for TLS. Write the password as ${env.NAME}: what comes from the environment is never recorded."`
	Exchange   string            `yaml:"exchange" jsonschema_description:"The exchange to listen at, by a queue of our own that gets a copy of each message. Or queue."`
	RoutingKey string            `yaml:"routing_key" jsonschema_description:"Which messages of the exchange: an exact key (direct), or a pattern (topic). Default: all; a direct exchange needs it."`
	Arguments  map[string]any    `yaml:"arguments" jsonschema_description:"Which messages of a headers exchange: {x-match: all, region: eu}. Default: all."`
	Queue      string            `yaml:"queue" jsonschema_description:"A queue that is there already. Its messages are taken away from the system, unless it is a stream."`
	Stream     bool              `yaml:"stream" jsonschema_description:"The queue is a stream: several may read it, and nothing is taken away."`
	Trace      []string          `yaml:"trace" jsonschema_description:"Queues into which messages are published, by whichever exchange, as the broker's tracing shows it (rabbitmqctl trace_on). Nothing is taken away. Instead of exchange and queue; url must name every node."`
	Management string            `yaml:"management" jsonschema_description:"The management API: http://USER:PASSWORD@HOST:15672/, or https://. Without a user, that of url. With exchange it is asked for the binding of our own queue, so that an exchange that was deleted and declared anew is noticed. With trace it names the nodes of the cluster; without it the cluster may have nodes that are not traced, and what was not seen is unknown."`
	ID         string            `yaml:"id" jsonschema_description:"Where the identity stands: a JSON path into the body, as in $.orderId, message_id, or header NAME. Default: header wringer-id."`
	Key        string            `yaml:"key" jsonschema_description:"Where the key stands: a JSON path into the body. It is compared with {{key}}, as a field of match is. Default: no key."`
	Match      map[string]string `yaml:"match" jsonschema_description:"Fields of the body that must hold what was sent: {JSON PATH: TEMPLATE}. A template may hold {{id}}, {{seq}}, {{key}} and {{data.NAME}}; or it is {{sent $.PATH}} alone, a field of the JSON body that was sent. An effect that differs is corrupt."`
	Origin     string            `yaml:"origin" jsonschema_description:"JSON path to what identifies the message that this effect came from, which tells a redelivery upstream from a second effect."`
	TLS        *tlsconfig.Config `yaml:"tls" jsonschema_description:"Speak TLS with the broker."`
	SASL       *SASL             `yaml:"sasl" jsonschema_description:"Log in to the broker by other means than the URL's user."`
}

// Check implements drivers.SourceConfig.
func (e *Effect) Check(problem func(field, message string)) {
	e.access().check(problem)
	e.reading().check(problem)
	e.fields().check(problem)
	(&effect.Fields{Match: e.Match}).Check(effect.CheckPath, problem)
}

// Describe implements drivers.SourceConfig. lag is the number of messages that are ready in the queue and were not handed out yet.
func (e *Effect) Describe() drivers.SourceDescription {
	d := drivers.SourceDescription{Place: e.reading().place(), Matched: e.matched().Matched()}
	if !e.Stream {
		d.Gauges = []string{"lag"}
	}
	return d
}

// Warnings implements drivers.Warner.
func (e *Effect) Warnings() []string { return e.reading().warnings() }

// Open implements drivers.SourceConfig. It dials nothing.
func (e *Effect) Open(_ context.Context, env drivers.Env) (drivers.Source, error) {
	s, err := e.reading().source(env, e.access(), e.fields())
	if err != nil {
		return nil, err
	}
	if s.differs, err = e.matched().Comparer(env); err != nil {
		return nil, err
	}
	return s, nil
}

// matched are the fields that are compared with what was sent.
func (e *Effect) matched() *effect.Fields { return &effect.Fields{Key: e.Key, Match: e.Match} }

func (e *Effect) access() access { return access{e.URL, e.TLS, e.SASL} }

func (e *Effect) fields() fieldConfig { return fieldConfig{id: e.ID, key: e.Key, origin: e.Origin} }

func (e *Effect) reading() reading {
	return reading{e.URL, e.Exchange, e.RoutingKey, e.Arguments, e.Queue, e.Stream, e.Trace, e.Management}
}

// reading is what a source reads: an exchange by a tap, a queue, or what is published into queues by the broker's tracing.
type reading struct {
	url        string
	exchange   string
	routingKey string
	arguments  map[string]any
	queue      string
	stream     bool
	trace      []string
	management string
}

func (r reading) check(problem func(field, message string)) {
	switch {
	case r.trace != nil:
		r.checkTrace(problem)
	case r.exchange == "" && r.queue == "":
		problem("exchange", "names no exchange; give exchange, queue or trace. The default exchange cannot be listened at; trace shows what it publishes into a queue")
	case r.exchange != "" && r.queue != "":
		problem("queue", "stands beside exchange; keep one of the two")
	case r.queue != "" && (r.routingKey != "" || r.arguments != nil):
		problem("routing_key", "and arguments choose messages of an exchange; a queue is read whole")
	}
	if r.stream && r.queue == "" {
		problem("stream", "goes with queue")
	}
	if r.management != "" && r.exchange == "" && r.trace == nil {
		problem("management", "goes with exchange, whose binding it tells, or with trace, whose nodes it names")
	}
	checkManagement(r.management, problem)
	checkName("exchange", r.exchange, problem)
	checkName("queue", r.queue, problem)
	checkName("routing_key", r.routingKey, problem)
	checkArguments("arguments", r.arguments, problem)
}

func (r reading) checkTrace(problem func(field, message string)) {
	if r.exchange != "" || r.queue != "" || r.stream || r.routingKey != "" || r.arguments != nil {
		problem("trace", "names the queues itself; leave out exchange, routing_key, arguments, queue and stream")
	}
	if len(r.trace) == 0 {
		problem("trace", "names no queue")
	}
	for i, name := range r.trace {
		if name == "" || slices.Contains(r.trace[:i], name) {
			problem("trace", fmt.Sprintf("names the queue %q, which is empty or there twice", name))
		}
		checkName("trace", name, problem)
	}
}

func (r reading) place() string {
	if r.trace != nil {
		return publicURL(r.url) + " what is published into " + strings.Join(r.trace, ", ")
	}
	if r.queue != "" {
		return publicURL(r.url) + " queue " + r.queue
	}
	return publicURL(r.url) + " exchange " + r.exchange
}

func (r reading) warnings() []string {
	if r.queue != "" && !r.stream {
		return []string{"takes the messages of the queue " + r.queue + " away from the system; read the exchange before it, or what trace shows of it, or say stream: true of a stream"}
	}
	return nil
}

func (r reading) source(env drivers.Env, a access, fields fieldConfig) (*Source, error) {
	kind := ownQueue
	switch {
	case r.stream:
		kind = foreignStream
	case r.queue != "":
		kind = foreignQueue
	}
	s, err := newSource(env, a, r.place(), r.queue, kind, fields)
	if err != nil {
		return nil, err
	}
	if r.queue == "" {
		s.tap = &tap{name: "wringer-" + env.Identity.Run + "-" + env.Stream, exchange: r.exchange, key: r.routingKey, arguments: r.arguments}
	}
	if r.trace != nil {
		s.trace = newTrace(s.control, s.dialer, env, r.trace)
		s.tap.trace = s.trace
	}
	if r.management != "" {
		if s.tap.management, err = newManagement(r.management, "", s.dialer, env); err != nil {
			return nil, fmt.Errorf("read %s: %w", s.name, err)
		}
		if s.trace != nil {
			s.trace.members = s.tap.management.nodes
		}
	}
	return s, nil
}

// Source implements drivers.Verifier.
func (d *Driver) Source() (drivers.Source, error) {
	queue, stream, err := d.config.verified()
	if err != nil {
		return nil, fmt.Errorf("%w: verify: %w", drivers.ErrConfig, err)
	}
	if queue == "" {
		return nil, nil
	}
	own := d.made.hasQueue(queue)
	if !own && !stream && (d.config.Verify == nil || !*d.config.Verify) {
		d.env.Log.Warn("the queue was there before this run, so its messages are not read back; verify: true takes them", "stream", d.env.Stream, "queue", queue)
		return nil, nil
	}
	kind := foreignQueue
	switch {
	case stream && own:
		kind = ownStream
	case stream:
		kind = foreignStream
	case own:
		kind = ownQueue
	}
	s, err := newSource(d.env, d.config.access(), publicURL(d.config.URL)+" queue "+queue, queue, kind, fieldConfig{id: d.config.ID})
	if err != nil {
		return nil, err
	}
	s.seen = &seenAttempts{}
	if d.config.Management != "" {
		if s.management, err = newManagement(d.config.Management, d.config.Queue, d.dialer, d.env); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Warnings implements drivers.Warner.
func (c *Config) Warnings() []string {
	queue, stream, err := c.verified()
	if err != nil || queue == "" || stream || c.Declare.queue(queue) != nil {
		return nil
	}
	return []string{"verify: true takes the messages of the queue " + queue + " away from the system"}
}
