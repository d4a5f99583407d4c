package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// trace reads what is published into queues from the copies that the broker's tracing makes. Safe for concurrent use.
//
// A broker that traces a vhost publishes a copy of each message to traceExchange, before it routes the message itself. Each node
// does so for its own channels, and a node that restarts traces no more. So each node is sent probes: messages to the source's
// own queue, which come back by the tracing and directly. A node that does not trace gives itself away by a probe that comes
// directly alone.
//
// Dead letters are published by no channel, and are not traced. A queue that held, or handed out, more than was traced gives
// them away.
//
// A node that url does not name may trace or not. So each member of the cluster must be one of those that a probe was published over:
// the copies say which these are, and the management API says which there are.
type trace struct {
	queues  []string
	members func(ctx context.Context) (names []string, err error) // of the cluster
	control *control
	vhost   string
	nodes   []*tracedNode

	mu sync.Mutex
	of map[string]*tracedQueue
}

// tracedNode is a node of the broker, and its probes.
type tracedNode struct {
	address string
	control *control

	// Guarded by trace.mu.
	name                 string // as the cluster calls it; empty: no probe has come back by the tracing
	sent, traced, direct uint64 // the numbers of the last probe that was sent, and that came back by either way
}

// tracedQueue is what is known of a queue: the messages that were ready in it at the start, that were published into it since, and
// that it handed out for the first time.
type tracedQueue struct{ before, published, handedOut int64 }

const (
	traceExchange = "amq.rabbitmq.trace"
	tracePublish  = "publish."
	traceDeliver  = "deliver."
	headerProbe   = "wringer-probe"
)

func newTrace(c *control, d *dialer, env drivers.Env, queues []string) *trace {
	t := &trace{queues: queues, control: c, vhost: d.vhost, of: make(map[string]*tracedQueue)}
	for _, address := range d.nodes {
		one := *d
		one.nodes = []string{address}
		t.nodes = append(t.nodes, &tracedNode{address: address, control: newControl(&one, env.Direct, env.Timeout)})
	}
	return t
}

// bindings are what a tap needs to get the copies; nil: there is no tracing.
func (t *trace) bindings() (bind []Binding) {
	if t == nil {
		return nil
	}
	bind = append(bind, Binding{Exchange: traceExchange, RoutingKey: tracePublish + "#"})
	for _, name := range t.queues {
		bind = append(bind, Binding{Exchange: traceExchange, RoutingKey: traceDeliver + name})
	}
	return bind
}

// within makes questions to the nodes end with ctx, until leave. A nil trace does nothing.
func (t *trace) within(ctx context.Context) (leave func()) {
	if t == nil {
		return func() {}
	}
	var leaves []func()
	for _, node := range t.nodes {
		leaves = append(leaves, node.control.within(ctx))
	}
	return func() {
		for _, leave := range leaves {
			leave()
		}
	}
}

// begin asks for the queues' messages, and makes sure that each node traces. The tap's queue has no consumer yet: what is in it
// came before the traffic, and is dropped.
func (t *trace) begin(ctx context.Context, tap string) error {
	for _, name := range t.queues {
		q, err := t.control.inspect(name)
		if isAbsent(err) {
			return fmt.Errorf("%w: the queue %s does not exist in vhost %s", drivers.ErrConfig, name, t.vhost)
		}
		if err != nil {
			return fmt.Errorf("look for queue %s: %w", name, blamed(err))
		}
		t.of[name] = &tracedQueue{before: int64(q.Messages)}
	}
	for i, node := range t.nodes {
		if err := t.probe(ctx, i, tap); err != nil {
			return fmt.Errorf("ask whether %s traces: %w", node.address, blamed(err))
		}
		for !t.probed() {
			err := t.control.do(func(ch *library.Channel) error {
				m, ok, err := ch.Get(tap, true)
				if err != nil || !ok {
					return err
				}
				_, _, err = t.read(&m)
				return err
			})
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return fmt.Errorf("%w: what was published to the queue %s did not come: %w", drivers.ErrUnreachable, tap, ctx.Err())
			}
		}
	}
	if t.members == nil {
		return nil // the end of the reading says so
	}
	return t.complete(ctx)
}

// probe publishes a probe over a node.
func (t *trace) probe(ctx context.Context, i int, tap string) error {
	node := t.nodes[i]
	t.mu.Lock()
	node.sent++
	text := fmt.Sprintf("%d %d", i, node.sent)
	t.mu.Unlock()
	return node.control.do(func(ch *library.Channel) error {
		return ch.PublishWithContext(ctx, "", tap, false, false, library.Publishing{Headers: library.Table{headerProbe: text}})
	})
}

// complete is an error unless each member of the cluster is one that a probe was published over.
func (t *trace) complete(ctx context.Context) error {
	if t.members == nil {
		return errors.New("nothing tells whether the cluster has other nodes than those in url, over which messages are published unseen: give management, the API that names them")
	}
	names, err := t.members(ctx)
	if err != nil {
		return fmt.Errorf("ask for the nodes of the cluster: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, name := range names {
		if !slices.ContainsFunc(t.nodes, func(n *tracedNode) bool { return n.name == name }) {
			return fmt.Errorf("%w: the cluster has the node %s, which url does not name: what is published over it is not seen", drivers.ErrConfig, name)
		}
	}
	return nil
}

// probeAll publishes a probe over each node that answers. A nil trace does nothing.
func (t *trace) probeAll(ctx context.Context, tap string) {
	if t == nil {
		return
	}
	for i := range t.nodes {
		_ = t.probe(ctx, i, tap) // a node that is away publishes nothing; the end of the reading needs its answer
	}
}

// probed says whether the last probe of each node came back.
func (t *trace) probed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !slices.ContainsFunc(t.nodes, func(n *tracedNode) bool { return n.direct < n.sent })
}

// read takes a message of the tap. of is the message that a copy stands for, and copies how many of the queues it was published
// into. An error means that a node does not trace.
func (t *trace) read(m *library.Delivery) (of *library.Delivery, copies int, err error) {
	if text, is := m.Headers[headerProbe].(string); is {
		return nil, 0, t.cameDirectly(text)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case strings.HasPrefix(m.RoutingKey, tracePublish):
		of = tracedMessage(m)
		if text, is := of.Headers[headerProbe].(string); is {
			node, n := t.node(text)
			if node == nil {
				return nil, 0, nil
			}
			node.traced = max(node.traced, n)
			name, _ := m.Headers["node"].(string)
			if node.name != "" && node.name != name { // as behind a load balancer
				err = fmt.Errorf("%s is now the node %s, and was %s before: what other nodes publish there is not seen; name each node itself in url", node.address, name, node.name)
			}
			node.name = name
			return nil, 0, err
		}
		routed, _ := m.Headers["routed_queues"].([]any)
		for _, name := range routed {
			text, _ := name.(string)
			if q := t.of[text]; q != nil {
				q.published++
				copies++
			}
		}
	case strings.HasPrefix(m.RoutingKey, traceDeliver):
		again, _ := m.Headers["redelivered"].(int32)
		if q := t.of[m.RoutingKey[len(traceDeliver):]]; q != nil && again == 0 {
			q.handedOut++
		}
	}
	return of, copies, nil
}

// cameDirectly takes a probe that came directly. The copy of it by the tracing was published before, by the same channel.
func (t *trace) cameDirectly(text string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	node, n := t.node(text)
	if node == nil {
		return nil
	}
	node.direct = max(node.direct, n)
	if node.traced >= n {
		return nil
	}
	return fmt.Errorf("%w: %s does not trace vhost %s: run rabbitmqctl trace_on -p %s on it; a restart of the node ends its tracing", drivers.ErrConfig, node.address, t.vhost, t.vhost)
}

// node finds the node and the number of a probe; nil: it is none of ours.
func (t *trace) node(text string) (*tracedNode, uint64) {
	index, number, _ := strings.Cut(text, " ")
	i, err := strconv.Atoi(index)
	n, wrong := strconv.ParseUint(number, 10, 64)
	if err != nil || wrong != nil || i < 0 || i >= len(t.nodes) {
		return nil, 0
	}
	return t.nodes[i], n
}

// tracedMessage is the message that a copy stands for: its body is the copy's, and its properties stand in the copy's headers.
func tracedMessage(m *library.Delivery) *library.Delivery {
	properties, _ := m.Headers["properties"].(library.Table)
	of := &library.Delivery{Body: m.Body}
	of.Headers, _ = properties["headers"].(library.Table)
	of.MessageId, _ = properties["message_id"].(string)
	return of
}

// untraced says which queue held, or handed out, more than was traced; nil: none did.
func (t *trace) untraced() error {
	for _, name := range t.queues {
		q, err := t.control.inspect(name)
		if err != nil {
			return fmt.Errorf("look for queue %s: %w", name, err)
		}
		t.mu.Lock()
		of := *t.of[name]
		t.mu.Unlock()
		if known := of.before + of.published; max(int64(q.Messages), of.handedOut) > known {
			return fmt.Errorf("the queue %s holds %d messages and handed out %d, of which %d are known: dead letters are not traced, nor is what is published over a node that url does not name", name, q.Messages, of.handedOut, known)
		}
	}
	return nil
}

// checkMembers ends the observation if the cluster has a member that is not traced.
func (s *Source) checkMembers(ctx context.Context) {
	if s.trace == nil || s.trace.members == nil {
		return
	}
	if err := s.trace.complete(ctx); refusedConfig(err) { // the end of the reading needs an answer
		s.fail(err)
	}
}

// close closes the connections. A nil trace does nothing.
func (t *trace) close() {
	if t == nil {
		return
	}
	for _, node := range t.nodes {
		node.control.close()
	}
}

// takeTraced hands on what a message of the tap stands for, once for each of the queues.
func (s *Source) takeTraced(m *library.Delivery, deliver func(*drivers.Delivery)) {
	of, copies, err := s.trace.read(m)
	if err != nil {
		s.fail(err)
		return
	}
	for range copies {
		d := drivers.Delivery{At: s.env.Clock()}
		s.fill(&d, of)
		deliver(&d)
	}
}

// awaitTraced waits until each node has shown that it traces still, and looks for messages that were not traced.
func (s *Source) awaitTraced(ctx context.Context) error {
	if s.trace == nil {
		return nil
	}
	for i, node := range s.trace.nodes {
		if err := s.trace.probe(ctx, i, s.queue); err != nil {
			return fmt.Errorf("ask whether %s traces: %w", node.address, err)
		}
	}
	if !s.await(ctx, s.trace.probed) {
		if failed := s.failure(); failed != nil {
			return failed
		}
		return fmt.Errorf("the nodes did not show that they trace: %w", ctx.Err())
	}
	return cmp.Or(s.trace.complete(ctx), s.trace.untraced())
}
