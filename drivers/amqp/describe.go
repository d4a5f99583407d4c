package amqp

import (
	"context"
	"strings"
	"sync"
	"time"

	"wringer/drivers"
	"wringer/drivers/reply"
)

// place says in words where a stream publishes to. It holds no secret.
func (c *Config) place() string {
	if c.Queue != "" {
		return publicURL(c.URL) + " queue " + c.Queue
	}
	return publicURL(c.URL) + " exchange " + c.Exchange
}

// Describe implements drivers.Config.
func (c *Config) Describe() drivers.Description {
	d := drivers.Description{
		Place:       c.place(),
		Gauges:      []string{"blocked", "in_flight", "nacked", "reconnections", "returned", "unconfirmed"},
		Counters:    []string{"nacked", "reconnections", "returned"},
		Connections: drivers.ConnectionTelling{Shared: c.connections()},
		Verifies:    c.verifies(), Peers: true, OrderNote: orderNote, LossNote: c.lossNote(),
		TLS:      c.TLS != nil || strings.HasPrefix(c.URL, "amqps://"),
		NoVerify: c.notVerified(), Codes: ownCodes(),
		Traces: true, OwnTrace: drivers.TraceHeadersIn(c.Headers),
	}
	if c.Queue != "" {
		d.Gauges = append(d.Gauges, "depth", "depth_growth")
	}
	if c.Management != "" {
		d.Gauges = append(d.Gauges, "unacked", "unacked_growth")
	}
	if c.Reply != nil {
		reply.Describe(&d)
		d.Checks = c.Reply.Checks()
		d.Connections.Shared++
	}
	return d
}

// orderNote is what brokers promise (RabbitMQ's guide to queues, "Message Ordering").
const orderNote = "; a broker keeps the order of one channel in one queue, without requeues, dead letters, priorities and nodes that fail over"

// Gauges implements drivers.Gauger. blocked counts the connections on which the broker takes no messages for now. unconfirmed
// counts the messages that were written and not confirmed. nacked, returned and reconnections count since the start. depth is the
// number of messages that are ready in the queue, depth_growth how many more they are than at the start. unacked and unacked_growth
// are the same of messages that were handed out and not acked: only the management API tells them.
func (d *Driver) Gauges(emit func(name string, value float64)) {
	emit("in_flight", float64(d.inFlight.Load()))
	emit("nacked", float64(d.nacked.Load()))
	emit("returned", float64(d.returned.Load()))
	again, blocked := 0, 0
	for _, c := range d.connections {
		opened, is := c.status()
		again += max(0, opened-1)
		if is {
			blocked++
		}
	}
	emit("reconnections", float64(again))
	emit("blocked", float64(blocked))
	open := 0
	for _, ch := range d.channels {
		ch.mu.Lock()
		if ch.epoch != nil {
			open += ch.epoch.open.count
		}
		ch.mu.Unlock()
	}
	emit("unconfirmed", float64(open))
	d.depth.gauges(emit)
}

// held are the messages of a queue: ready to be handed out, and handed out but not acked.
type held struct {
	ready, unacked int
	both           bool // unacked is told too
}

// depth follows the messages of a queue. Safe for concurrent use.
type depth struct {
	mu         sync.Mutex
	known      bool
	first, now held
}

// askDepthEvery is how often a queue's depth is asked for.
const askDepthEvery = time.Second

func (d *depth) begin(n held) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known, d.first, d.now = true, n, n
}

// watch asks again and again, until ctx ends. While nobody answers, the depth is not known.
func (d *depth) watch(ctx context.Context, ask func() (held, bool)) {
	for drivers.Pause(ctx, askDepthEvery) {
		d.set(ask())
	}
}

// set takes an answer. known is false if there was none.
func (d *depth) set(n held, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known = known; known {
		d.now = n
	}
}

func (d *depth) gauges(emit func(name string, value float64)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.known {
		return
	}
	emit("depth", float64(d.now.ready))
	emit("depth_growth", float64(max(0, d.now.ready-d.first.ready)))
	if d.now.both {
		emit("unacked", float64(d.now.unacked))
		emit("unacked_growth", float64(max(0, d.now.unacked-d.first.unacked)))
	}
}

// askDepth is the queue's depth, by the management API where the scenario names one, else by passive declare.
func (d *Driver) askDepth() (held, bool) {
	if d.management != nil {
		n, known, err := d.management.ask(d.ctx)
		return n, known && err == nil
	}
	q, err := d.control.inspect(d.config.Queue)
	return held{ready: q.Messages}, err == nil
}
