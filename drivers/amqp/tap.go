package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// tap is a queue of the source's own, bound to an exchange of the system. It gets a copy of each message.
type tap struct {
	name      string // begins the queue's name
	exchange  string
	key       string // empty: all messages
	arguments map[string]any
	trace     *trace  // what the tap is bound for in place of exchange; nil: exchange
	bound     Binding // once the tap is made
	// replicated: the tap's queue is a quorum queue, which outlives a node.
	replicated bool
	management *management // tells whether the queue is still bound; nil: the exchange alone is looked for
}

// tapExpires is how long a tap without a reader stays. It removes the taps of runs that were killed.
const tapExpires = 10 * time.Minute

// copying are the types of exchanges that hand every bound queue a copy.
var copying = []string{"direct", "fanout", "topic", "headers"}

// make declares and binds the tap, and returns its queue's name.
func (t *tap) make(c *control) (queue string, err error) {
	bind := t.trace.bindings()
	if bind == nil {
		if t.bound, err = t.binding(c); err != nil {
			return "", err
		}
		bind = []Binding{t.bound}
	}
	queue = fmt.Sprintf("%s-%08x", t.name, rand.Uint32())
	kind := typeClassic
	if t.replicated = len(c.dialer.nodes) > 1; t.replicated {
		kind = typeQuorum
	}
	expires := tapExpires.Milliseconds()
	if _, err = c.declareQueue(droppedFrom(queue), &Queue{Type: kind, Arguments: map[string]any{argumentExpires: expires}}); err != nil {
		return "", err
	}
	_, err = c.declareQueue(queue, &Queue{Type: kind, Bind: bind, Arguments: map[string]any{argumentExpires: expires,
		"x-dead-letter-exchange": "", "x-dead-letter-routing-key": droppedFrom(queue)}})
	return queue, err
}

// noteAway ends the observation if a queue is away with the one node that holds it: brokers route messages past it meanwhile.
func (s *Source) noteAway(err error) {
	if s.tap != nil && !s.tap.replicated && isAway(err) {
		s.fail(fmt.Errorf("the node that holds the reader's own queue was away, and what was published over others meanwhile is not in it; name all nodes of the cluster in url: %w", err))
	}
}

// droppedFrom is the queue of what a tap's queue gives up: copies whose time to live ended before they were read, or that a policy
// of the broker has no room for. The system may have got these messages.
func droppedFrom(tap string) string { return tap + "-dropped" }

// checkDropped is an error if the tap's queue gave up messages, which ends the observation, or if the broker does not say. It is
// asked now and then: a queue that nobody asks for is removed like one without a reader.
func (s *Source) checkDropped() error {
	if s.tap == nil {
		return nil
	}
	var dropped bool
	err := s.control.do(func(ch *library.Channel) (err error) {
		_, dropped, err = ch.Get(droppedFrom(s.queue), true)
		return err
	})
	if dropped {
		s.fail(errors.New("the broker dropped messages from the reader's own queue before they were read: their time to live was over, or a policy bounds all queues"))
	}
	if err != nil {
		return fmt.Errorf("look into queue %s: %w", droppedFrom(s.queue), err)
	}
	return s.failure()
}

// checkExchange ends the observation if the tap's exchange is gone: its bindings went with it, and one that is declared anew has none of
// them. AMQP has no question for a binding. So one that is gone and back between two looks is seen by the management API alone.
func (s *Source) checkExchange(ctx context.Context) error {
	if s.tap == nil || s.tap.bound.Exchange == "" {
		return nil
	}
	exchange := s.tap.bound.Exchange
	there, err := s.control.exchangeExists(exchange)
	if err == nil && !there {
		s.fail(fmt.Errorf("the exchange %s was deleted, and with it the binding of the reader's own queue: what is published to it from then on is not seen", exchange))
	}
	return cmp.Or(err, s.checkBinding(ctx), s.failure())
}

// awaitBound waits until the management API tells the binding of the tap's new queue. Another broker's never does.
func (t *tap) awaitBound(ctx context.Context, queue string) error {
	if t.management == nil || t.bound.Exchange == "" {
		return nil
	}
	for {
		bound, err := t.management.bound(ctx, t.bound.Exchange, queue)
		switch {
		case bound || err != nil:
			return err
		case !drivers.Pause(ctx, backoff):
			return fmt.Errorf("%w: the management API at %s does not know the binding of the reader's own queue to the exchange %s; name the API of the same broker", drivers.ErrConfig, t.management.public, t.bound.Exchange)
		}
	}
}

// checkBinding ends the observation if the tap's queue is bound to its exchange no more.
func (s *Source) checkBinding(ctx context.Context) error {
	if s.tap.management == nil {
		return nil
	}
	bound, err := s.tap.management.bound(ctx, s.tap.bound.Exchange, s.queue)
	if err == nil && !bound {
		s.fail(fmt.Errorf("the reader's own queue is bound to the exchange %s no more: the exchange was deleted and declared anew, or the binding removed, and what was published since is not seen", s.tap.bound.Exchange))
	}
	return err
}

// binding is what binds the tap to its exchange, so that it gets a copy of each message that is wanted.
func (t *tap) binding(c *control) (binding Binding, err error) {
	there, err := c.exchangeExists(t.exchange)
	if err != nil {
		return binding, blamed(err)
	}
	if !there {
		return binding, fmt.Errorf("%w: the exchange %s does not exist", drivers.ErrConfig, t.exchange)
	}
	binding = Binding{Exchange: t.exchange, RoutingKey: t.key, Arguments: t.arguments}
	kind, err := c.exchangeType(t.exchange)
	switch {
	case err != nil && t.key == "" && t.arguments == nil:
		return binding, fmt.Errorf("%w: what type of exchange %s is cannot be asked; give routing_key: %w", drivers.ErrConfig, t.exchange, err)
	case err != nil: // the binding says what is wanted
	case !slices.Contains(copying, kind):
		return binding, fmt.Errorf("%w: the exchange %s is of type %s, which hands each message to one queue: a tap would take messages away. Name the queues behind it in trace, or give each a place of its own", drivers.ErrConfig, t.exchange, kind)
	case kind == "direct" && t.key == "":
		return binding, fmt.Errorf("%w: the exchange %s is of type direct: give routing_key, which messages to see", drivers.ErrConfig, t.exchange)
	case kind == "topic" && t.key == "":
		binding.RoutingKey = "#"
	}
	return binding, nil
}

// predeclared are the exchanges of every broker, which nobody may declare.
var predeclared = map[string]string{"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.headers": "headers", "amq.match": "headers",
	"amq.rabbitmq.trace": "topic", "amq.rabbitmq.log": "topic", "amq.rabbitmq.event": "topic"}

// currentType finds the type of an exchange in the text of a broker that compares it with another.
var currentType = regexp.MustCompile(`current is '([^']+)'`)

// exchangeType asks for the type of an exchange that is there. AMQP has no question for it, but a declaration with another type is
// refused, and the refusal names both.
func (c *control) exchangeType(name string) (string, error) {
	const asked = "fanout"
	if kind := predeclared[name]; kind != "" {
		return kind, nil
	}
	err := c.do(func(ch *library.Channel) error {
		return ch.ExchangeDeclare(name, asked, true, false, false, false, nil)
	})
	if err == nil {
		return asked, nil
	}
	if found := currentType.FindStringSubmatch(err.Error()); found != nil && codeIs(err, library.PreconditionFailed) {
		if slices.Contains([]string{"true", "false"}, found[1]) {
			return asked, nil // its type is the same, and something else is not
		}
		return found[1], nil
	}
	return "", err
}
