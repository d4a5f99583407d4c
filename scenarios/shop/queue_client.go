package shop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/faults"
)

// queueClient is a connection to RabbitMQ that is opened anew when it ends. Safe for concurrent use.
type queueClient struct {
	network faults.Network
	uri     library.URI
	address string // a link, or the broker itself
	confirm bool   // publishes are confirmed

	mu   sync.Mutex
	raw  net.Conn
	conn *library.Connection
	ch   *library.Channel
}

const (
	queueDialLimit = 5 * time.Second
	queueHeartbeat = 10 * time.Second
	queueAgain     = 50 * time.Millisecond
	// confirmLimit bounds the wait for a confirm: a connection without one for so long is opened anew.
	confirmLimit = 5 * time.Second
)

// channel returns the client's channel, and opens one if there is none.
func (c *queueClient) channel(ctx context.Context) (*library.Channel, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ch != nil && !c.ch.IsClosed() {
		return c.ch, nil
	}
	c.farewell()
	ctx, cancel := context.WithTimeout(ctx, queueDialLimit)
	defer cancel()
	raw, err := c.network.Dial(ctx, "tcp", c.address)
	if err != nil {
		return nil, fmt.Errorf("reach RabbitMQ at %s: %w", c.address, err)
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	conn, ch, err := c.handshake(raw)
	if !stop() && err == nil {
		_ = conn.CloseDeadline(time.Now()) // ends the library's goroutines
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("log in to RabbitMQ at %s: %w", c.address, err)
	}
	c.raw, c.conn, c.ch = raw, conn, ch
	return ch, nil
}

func (c *queueClient) handshake(raw net.Conn) (*library.Connection, *library.Channel, error) {
	conn, err := library.Open(raw, library.Config{
		SASL:  []library.Authentication{&library.PlainAuth{Username: c.uri.Username, Password: c.uri.Password}},
		Vhost: c.uri.Vhost, Heartbeat: queueHeartbeat, Properties: library.Table{"connection_name": "shop"},
	})
	if err != nil {
		return nil, nil, err
	}
	ch, err := conn.Channel()
	if err == nil && c.confirm {
		err = ch.Confirm(false)
	}
	if err != nil {
		_ = conn.CloseDeadline(time.Now())
		return nil, nil, err
	}
	return conn, ch, nil
}

// publish publishes a message until a broker has confirmed it. So a message of which a confirm was lost comes twice. An error is
// ctx's, or says that the broker took the message not at all (errBusy).
func (c *queueClient) publish(ctx context.Context, exchange, key string, m library.Publishing) error {
	for {
		err := c.publishOnce(ctx, exchange, key, m)
		if err == nil || errors.Is(err, errBusy) {
			return err
		}
		if !sleep(ctx, queueAgain) {
			return errors.Join(err, ctx.Err())
		}
	}
}

// errBusy says that a queue is full.
var errBusy = errors.New("the queue is full")

func (c *queueClient) publishOnce(ctx context.Context, exchange, key string, m library.Publishing) error {
	ch, err := c.channel(ctx)
	if err != nil {
		return err
	}
	confirmation, err := ch.PublishWithDeferredConfirmWithContext(ctx, exchange, key, false, false, m)
	if err != nil {
		return err
	}
	if confirmation == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, confirmLimit)
	defer cancel()
	acked, err := confirmation.WaitContext(bounded)
	switch {
	case err != nil && ctx.Err() == nil:
		c.reset()
		return err
	case err != nil:
		return err
	case !acked && ch.IsClosed(): // the library tells of what it closed as nacked
		return net.ErrClosed
	case !acked:
		return errBusy
	}
	return nil
}

// reset ends the connection without a farewell, as a killed program does.
func (c *queueClient) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.raw != nil {
		c.raw.Close()
	}
	c.farewell()
}

// close ends the connection.
func (c *queueClient) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.farewell()
}

// farewell closes the connection, if there is one. mu is held.
func (c *queueClient) farewell() {
	if c.conn != nil {
		_ = c.conn.CloseDeadline(time.Now().Add(time.Second)) // an error means that it is closed
		c.raw.Close()
		c.raw, c.conn, c.ch = nil, nil, nil
	}
}

// consume hands messages to each until ctx ends. It opens the connection anew when that ends. began, if not nil, is called each time
// that a consumer is open.
func (c *queueClient) consume(ctx context.Context, queue string, prefetch int, began func(), each func(*library.Channel, *library.Delivery)) {
	stop := context.AfterFunc(ctx, c.reset)
	defer stop()
	for ctx.Err() == nil {
		if ch, deliveries, err := c.consumer(ctx, queue, prefetch); err == nil {
			if began != nil {
				began()
			}
			for m := range deliveries {
				if ctx.Err() != nil {
					break
				}
				each(ch, &m)
			}
		}
		sleep(ctx, queueAgain)
	}
}

func (c *queueClient) consumer(ctx context.Context, queue string, prefetch int) (*library.Channel, <-chan library.Delivery, error) {
	ch, err := c.channel(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	return ch, deliveries, err
}
