package kafka

import (
	"context"
	"errors"
	"fmt"

	"wringer/drivers"
	"wringer/drivers/reply"
)

// Reply is the `reply:` part of a stream: each record is a request, and its operation is acked when the reply came.
type Reply struct {
	Topic        string `yaml:"topic" jsonschema:"required" jsonschema_description:"The topic to which replies are written. It is read from its end."`
	Correlation  string `yaml:"correlation" jsonschema_description:"The header that carries the operation's identity, in the request and in its reply. Default correlation-id."`
	ReplyTo      string `yaml:"reply_to" jsonschema_description:"The header of a request that names the topic of its reply. Default reply-topic."`
	reply.Fields `yaml:",inline"`
}

const (
	defaultCorrelation = "correlation-id"
	defaultReplyTo     = "reply-topic"
)

func (r *Reply) correlation() string { return orDefault(r.Correlation, defaultCorrelation) }
func (r *Reply) replyTo() string     { return orDefault(r.ReplyTo, defaultReplyTo) }

func (c *Config) checkReply(problem func(field, message string)) {
	r := c.Reply
	if r == nil {
		return
	}
	r.Check(problem)
	switch {
	case r.Topic == "":
		problem("reply.topic", "names no topic: write where the replies come")
	case r.Topic == c.Topic:
		problem("reply.topic", "is the topic of the requests; name another")
	}
	if r.correlation() == r.replyTo() {
		problem("reply.reply_to", "is the header of the correlation too; name another")
	}
	for field, name := range map[string]string{"reply.correlation": r.correlation(), "reply.reply_to": r.replyTo()} {
		switch {
		case name == HeaderID || name == HeaderAttempt:
			problem(field, name+" is the driver's own header; choose another name")
		case c.Headers[name] != "":
			problem("headers."+name, "is what reply sets; keep one of the two")
		}
	}
}

// replyHeaders are the headers of a request.
func (c *Config) replyHeaders(env drivers.Env) ([]namedText, error) {
	if c.Reply == nil {
		return nil, nil
	}
	id, err := compileText("{{id}}", drivers.Dialect{}, env, 0) // draws nothing
	if err != nil {
		return nil, err
	}
	return []namedText{
		{[]byte(c.Reply.correlation()), id},
		{[]byte(c.Reply.replyTo()), seeded(drivers.Literal(c.Reply.Topic), env, 0)},
	}, nil
}

// replying wraps a driver that sends requests.
func (c *Config) replying(ctx context.Context, d *Driver, env drivers.Env) (drivers.Driver, error) {
	in, err := c.inbox(ctx, env)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reply: %w", err), d.Close())
	}
	replying, err := reply.Open(d, in, c.Reply.Fields, env)
	if err != nil {
		return nil, err
	}
	return replying, nil
}

// inbox is the topic of a stream's replies. It reads over the stream's link: a reply is the answer to a request.
type inbox struct {
	source *Source
	value  []byte // of the record that is delivered next
}

func (c *Config) inbox(ctx context.Context, env drivers.Env) (*inbox, error) {
	env.Direct = env.Dial
	effect := Effect{Brokers: c.Brokers, Topic: c.Reply.Topic, ID: "header " + c.Reply.correlation(), TLS: c.TLS, SASL: c.SASL}
	source, err := effect.source(env)
	if err != nil {
		return nil, err
	}
	source.autoCreate = true
	in := &inbox{source: source}
	source.differs = func(_, value []byte) string { in.value = value; return "" }
	if err := source.Start(ctx); err != nil {
		return nil, errors.Join(err, source.Close())
	}
	return in, nil
}

// Receive implements reply.Inbox.
func (in *inbox) Receive(ctx context.Context, deliver func(*reply.Reply)) error {
	return in.source.Receive(ctx, func(d *drivers.Delivery) {
		deliver(&reply.Reply{Correlation: d.ID, Body: in.value, At: d.At, Anew: d.Anew})
	})
}

// Close implements reply.Inbox.
func (in *inbox) Close() error { return in.source.Close() }
