package amqp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// connection keeps one connection to the broker, or to one node after another of a cluster.
type connection struct {
	driver   *Driver
	number   int
	channels []*channel

	mu      sync.Mutex
	wire    *wire // nil: there is none now
	down    error // why no node could be reached; nil: one was, or was not tried yet
	opened  int   // wires so far
	blocks  []drivers.Block
	changed chan struct{} // closed and replaced when wire or down changes
}

// run connects again and again, until the driver is shut.
func (c *connection) run() {
	node, failures := c.number, 0
	for !c.driver.isShut() {
		w, err := c.dial(c.driver.dialer.nodes[node%len(c.driver.dialer.nodes)])
		if err != nil {
			node++
			if failures++; failures >= len(c.driver.dialer.nodes) {
				c.fail(err)
			}
			drivers.Pause(c.driver.ctx, backoff)
			continue
		}
		failures = 0
		c.set(w, nil)
		select {
		case <-w.ended:
		case <-c.driver.shutting:
		}
		c.set(nil, nil)
		w.close()
		<-w.ended // reading ends with the connection
	}
	c.set(nil, net.ErrClosed)
}

func (c *connection) dial(node string) (*wire, error) {
	d := c.driver
	var w *wire
	_, lib, err := d.dialer.handshake(d.ctx, d.env.Dial, node, patience(d.env.Timeout), d.heartbeat(), func(conn net.Conn) net.Conn {
		w = newWire(c, conn)
		return w
	})
	if err != nil {
		return nil, err
	}
	w.lib = lib
	closes := lib.NotifyClose(make(chan *library.Error, 1))
	d.running.Go(func() { w.finish(libraryEnded(<-closes)) })
	return w, nil
}

func (c *connection) set(w *wire, down error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w != nil {
		c.opened++
	}
	c.wire, c.down = w, down
	close(c.changed)
	c.changed = make(chan struct{})
}

// fail notes that no node can be reached. Waiting attempts end now and not at their deadlines: a refused connection is a fast
// failure.
func (c *connection) fail(why error) {
	c.set(nil, why)
	for _, ch := range c.channels {
		ch.rejectWaiting(why)
	}
}

func (c *connection) isDown() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.down
}

// await waits for a wire that is not over. It returns nil when the driver is shut.
func (c *connection) await() *wire {
	for {
		c.mu.Lock()
		w, changed := c.wire, c.changed
		c.mu.Unlock()
		if w != nil && !w.isOver() {
			return w
		}
		select {
		case <-changed:
		case <-c.driver.shutting:
			return nil
		}
	}
}

// ready waits until every channel has an epoch. The error says why one has none when ctx ends, or the broker refuses.
func (c *connection) ready(ctx context.Context) error {
	for _, ch := range c.channels {
		for {
			ch.mu.Lock()
			e, refusal := ch.epoch, ch.refusal
			ch.mu.Unlock()
			if e != nil {
				break
			}
			down := c.isDown()
			if refusal != nil {
				return refusal
			}
			if refusedConfig(down) {
				return down
			}
			if !drivers.Pause(ctx, backoff/10) {
				return errors.Join(down, fmt.Errorf("connection %d has no channel: %w", c.number+1, ctx.Err()))
			}
		}
	}
	return nil
}

// status is how often the connection was opened, and why the broker blocks it; empty: it does not.
func (c *connection) status() (opened int, blocked bool) {
	c.mu.Lock()
	w := c.wire
	opened = c.opened
	c.mu.Unlock()
	if w != nil {
		w.mu.Lock()
		blocked = w.blocked != ""
		w.mu.Unlock()
	}
	return opened, blocked
}
