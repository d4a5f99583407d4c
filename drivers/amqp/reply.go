package amqp

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/reply"
)

// Reply is the `reply:` part of a stream: each message is a request, and its operation is acked when the reply came.
type Reply struct {
	Queue        string `yaml:"queue" jsonschema_description:"The queue to which replies are sent, which nobody else may consume from. It is there already, or in declare. Default: a queue of our own, exclusive, which the broker removes with its connection."`
	reply.Fields `yaml:",inline"`
}

func (c *Config) checkReply(problem func(field, message string)) {
	if c.Reply == nil {
		return
	}
	c.Reply.Check(problem)
	checkName("reply.queue", c.Reply.Queue, problem)
	if c.Reply.Queue != "" && c.Reply.Queue == c.Queue {
		problem("reply.queue", "is the queue of the requests; name another")
	}
	for _, name := range []string{"reply_to", "correlation_id"} {
		if c.Properties[name] != "" {
			problem("properties."+name, "is what reply sets; keep one of the two")
		}
	}
	if c.Verify != nil && *c.Verify && !c.Stream && (c.Declare.queue(c.Queue) == nil || c.Declare.queue(c.Queue).Type != typeStream) {
		problem("verify", "takes the requests away from those that reply to them; leave it out")
	}
}

// replying wraps a driver that publishes requests.
func (c *Config) replying(ctx context.Context, d *Driver, env drivers.Env) (drivers.Driver, error) {
	in := &inbox{dialer: d.dialer, env: env, queue: d.template.plain.ReplyTo, own: c.Reply.Queue == ""}
	ctx, cancel := context.WithTimeout(ctx, openLimit)
	defer cancel()
	if err := in.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: reply: queue %s: %w", c.place(), in.queue, blamed(err)), d.Close())
	}
	replying, err := reply.Open(d, in, c.Reply.Fields, env)
	if err != nil {
		return nil, err
	}
	return replying, nil
}

// replyTo is the name of the queue that replies go to.
func (r *Reply) replyTo(stream string) string {
	if r.Queue != "" {
		return r.Queue
	}
	return fmt.Sprintf("wringer-reply-%s-%08x", stream, rand.Uint32())
}

// inbox is the queue of a stream's replies. It reads over the stream's link: a reply is the answer to a request. The broker takes a
// reply as consumed when it is sent, as clients of this pattern have it. So a reply on a connection that breaks is lost.
type inbox struct {
	dialer *dialer
	env    drivers.Env
	queue  string
	own    bool // this inbox declares the queue, exclusive to its connection
	node   int
	now    *subscription // nil: there is none
}

// subscription is one consumer of the queue, until its connection ends.
type subscription struct {
	raw     net.Conn
	conn    *library.Connection
	replies <-chan library.Delivery
}

// open begins to consume, on the next node.
func (in *inbox) open(ctx context.Context) error {
	node := in.dialer.nodes[in.node%len(in.dialer.nodes)]
	in.node++
	raw, conn, err := in.dialer.handshake(ctx, in.env.Dial, node, patience(in.env.Timeout), defaultHeartbeat, func(conn net.Conn) net.Conn {
		return &boundedConn{Conn: conn}
	})
	if err != nil {
		return err
	}
	c := &subscription{raw: raw, conn: conn}
	guard := time.AfterFunc(patience(in.env.Timeout), func() { raw.Close() })
	c.replies, err = in.consume(conn)
	if !guard.Stop() && err == nil {
		err = fmt.Errorf("%w: no answer in %v", drivers.ErrUnreachable, patience(in.env.Timeout))
	}
	if err != nil {
		c.close()
		return err
	}
	in.now = c
	return nil
}

func (in *inbox) consume(conn *library.Connection) (<-chan library.Delivery, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	if in.own {
		if _, err := ch.QueueDeclare(in.queue, false, true, true, false, nil); err != nil {
			return nil, err
		}
	}
	return ch.Consume(in.queue, "", true, true, false, false, nil)
}

func (c *subscription) close() {
	_ = c.conn.CloseDeadline(time.Now().Add(closeLimit)) // an error means that it is closed
	c.raw.Close()
}

// Receive implements reply.Inbox. Whatever ends a connection, a next one follows: a queue may be locked by the last one for a while.
func (in *inbox) Receive(ctx context.Context, deliver func(*reply.Reply)) error {
	for ctx.Err() == nil {
		if in.now == nil {
			if err := in.open(ctx); err != nil {
				drivers.Pause(ctx, backoff)
				continue
			}
		}
		in.follow(ctx, deliver)
		in.now.close()
		in.now = nil
	}
	return nil
}

// follow reads until the connection ends, or ctx does.
func (in *inbox) follow(ctx context.Context, deliver func(*reply.Reply)) {
	c := in.now
	stop := context.AfterFunc(ctx, func() { c.raw.Close() })
	defer stop()
	for m := range c.replies {
		deliver(&reply.Reply{Correlation: []byte(m.CorrelationId), Body: m.Body, At: in.env.Clock()})
	}
}

// Close implements reply.Inbox.
func (in *inbox) Close() error {
	if in.now != nil {
		in.now.close()
		in.now = nil
	}
	return nil
}

// boundedConn ends a connection on which the broker breaks the protocol, or sends a message that is larger than any that this
// package takes. The library keeps a message whole.
type boundedConn struct {
	net.Conn
	frames splitter
}

// Read implements net.Conn.
func (c *boundedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n == 0 {
		return n, err
	}
	if broken := c.frames.feed(p[:n], bounded); broken != nil {
		return 0, broken
	}
	return n, err
}

// bounded refuses the header of a message that is too large.
func bounded(kind byte, _ uint16, payload []byte) error {
	if kind != frameHeader {
		return nil
	}
	size, _, err := readContentHeader(payload)
	if err == nil && size > maxMessage {
		return fmt.Errorf("%w: a reply of %d bytes", errTooLarge, size)
	}
	return err
}
