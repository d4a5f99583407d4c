package amqp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
	"wringer/drivers/churn"
)

// Group is consumers under test that share one queue.
type Group struct {
	Members    int            `yaml:"members" jsonschema:"required" jsonschema_description:"How many consumers share the queue."`
	Prefetch   int            `yaml:"prefetch" jsonschema_description:"Messages that a member has in hand at once, at most. Default 100."`
	Ack        string         `yaml:"ack" jsonschema:"enum=auto,enum=before,enum=after" jsonschema_description:"When a message is acked: auto (the broker takes it as acked when it is sent: what dies with a member is lost), before the work, or after it (what dies in hand is delivered again, the default)."`
	Work       time.Duration  `yaml:"work" jsonschema_description:"How long a member works on a message. Default: not at all."`
	Fail       drivers.Ratio  `yaml:"fail" jsonschema_description:"Share of messages on which the work fails, each time, drawn from the seed and the message. Default 0%."`
	OnFailure  string         `yaml:"on_failure" jsonschema:"enum=requeue,enum=nack,enum=reject" jsonschema_description:"What a member does with a message on which its work fails: requeue (nack, to be delivered again, the default), nack, or reject (both without requeue: dropped, or a dead letter)."`
	DeadLetter bool           `yaml:"dead_letter" jsonschema_description:"What the queue gives up goes to a second queue of ours, and is counted there. Default: it is dropped."`
	Poison     int            `yaml:"poison" jsonschema_description:"A message that is delivered again more often than this counts as poison. Default 10."`
	Single     bool           `yaml:"single_active" jsonschema_description:"One member at a time gets messages (x-single-active-consumer). The next takes over when it goes."`
	Type       string         `yaml:"type" jsonschema:"enum=classic,enum=quorum" jsonschema_description:"Of the queue. Default classic."`
	Arguments  map[string]any `yaml:"arguments" jsonschema_description:"Of the queue, as in {x-message-ttl: 1000, x-delivery-limit: 5}."`
	Churn      *churn.Config  `yaml:"churn" jsonschema_description:"Members leave, freeze and die, and come back. Default: none does."`
}

// The ack policies, and what a member does with a message on which its work fails.
const (
	ackAuto   = "auto"
	ackBefore = "before"
	ackAfter  = "after"

	failRequeue = "requeue"
	failNack    = "nack"
	failReject  = "reject"

	maxMembers      = 256
	defaultPrefetch = 100
	maxPrefetch     = 65_535
	defaultPoison   = 10
)

// groupGauges are the figures of a group. delivered_again counts deliveries that the broker marks as redelivered. requeued
// counts what members gave back, dead_lettered and expired what the queue gave up. poison counts messages delivered again too often.
var groupGauges = []string{"dead_lettered", "delivered_again", "expired", "poison", "requeued"}

func (g *Group) check(problem func(field, message string)) {
	if g.Members < 1 || g.Members > maxMembers {
		problem("group.members", fmt.Sprintf("must be 1 to %d", maxMembers))
	}
	if g.Prefetch < 0 || g.Prefetch > maxPrefetch {
		problem("group.prefetch", fmt.Sprintf("must be 1 to %d", maxPrefetch))
	}
	if a := g.ack(); a != ackAuto && a != ackBefore && a != ackAfter {
		problem("group.ack", fmt.Sprintf("%q is not one of auto, before, after", g.Ack))
	}
	if f := g.onFailure(); f != failRequeue && f != failNack && f != failReject {
		problem("group.on_failure", fmt.Sprintf("%q is not one of requeue, nack, reject", g.OnFailure))
	}
	if g.Fail < 0 || g.Fail > 1 {
		problem("group.fail", "must be 0% to 100%")
	}
	if g.Fail > 0 && g.ack() != ackAfter {
		problem("group.fail", "goes with ack: after; a message that was acked before cannot be given back")
	}
	if g.OnFailure != "" && g.Fail == 0 {
		problem("group.on_failure", "goes with fail")
	}
	if g.Poison < 0 {
		problem("group.poison", "must be 1 or more")
	}
	if g.Type != "" && g.Type != typeClassic && g.Type != typeQuorum {
		problem("group.type", fmt.Sprintf("%q is not one of classic, quorum", g.Type))
	}
	checkArguments("group.arguments", g.Arguments, problem)
	for _, own := range []string{argumentType, argumentExpires} {
		if _, is := g.Arguments[own]; is {
			problem("group.arguments", own+" is set by the group itself; leave it out")
		}
	}
	if g.Churn != nil {
		g.Churn.Check(problem)
	}
}

func (g *Group) ack() string       { return cmp.Or(g.Ack, ackAfter) }
func (g *Group) onFailure() string { return cmp.Or(g.OnFailure, failRequeue) }
func (g *Group) prefetch() int     { return cmp.Or(g.Prefetch, defaultPrefetch) }
func (g *Group) poison() int       { return cmp.Or(g.Poison, defaultPoison) }

// consumers is a drivers.Group.
type consumers struct {
	config *Group
	spec   *Consume
	env    drivers.Env
	dialer *dialer
	source *Source
	queue  string
	dead   string // the queue of dead letters; empty: none
	made   made
	emit   func(drivers.GroupEvent)

	again, requeued, deadLettered, expired, poison atomic.Int64

	started atomic.Bool // at least one member consumed
	mu      sync.Mutex
	failure error // the last error of any member
}

var (
	_ drivers.Group       = (*consumers)(nil)
	_ drivers.Peers       = (*consumers)(nil)
	_ drivers.GroupConfig = (*Consume)(nil)
	_ drivers.Branched    = (*Consume)(nil)
)

// OpenGroup implements drivers.GroupConfig.
func (c *Consume) OpenGroup(env drivers.Env) (drivers.Group, error) {
	g := &consumers{config: c.Group, spec: c, env: env}
	var err error
	if g.dialer, err = c.access().dialer(env.Files); err != nil {
		return nil, fmt.Errorf("%w: %w", drivers.ErrConfig, err)
	}
	return g, nil
}

// Start implements drivers.Group. It makes the group's queue beside the source's, with the same binding.
func (g *consumers) Start(_ context.Context, source drivers.Source) error {
	g.source = source.(*Source)
	g.source.group.Store(g)
	name := fmt.Sprintf("wringer-%s-%s-group-%08x", g.env.Identity.Run, g.env.Stream, rand.Uint32())
	arguments := map[string]any{argumentExpires: tapExpires.Milliseconds()}
	for key, value := range g.config.Arguments {
		arguments[key] = value
	}
	if g.config.Single {
		arguments["x-single-active-consumer"] = true
	}
	c := g.source.control
	if g.config.DeadLetter {
		g.dead = name + "-dead"
		if err := g.declare(c, g.dead, &Queue{Arguments: map[string]any{argumentExpires: tapExpires.Milliseconds()}}); err != nil {
			return err
		}
		arguments["x-dead-letter-exchange"], arguments["x-dead-letter-routing-key"] = "", g.dead
	}
	g.queue = name
	return g.declare(c, name, &Queue{Type: g.config.Type, Arguments: arguments, Bind: []Binding{g.source.tap.bound}})
}

func (g *consumers) declare(c *control, name string, q *Queue) error {
	_, err := c.declareQueue(name, q)
	if err != nil {
		return fmt.Errorf("group: %w", err)
	}
	g.made.queues = append(g.made.queues, thing{name: name})
	return nil
}

// Run implements drivers.Group.
func (g *consumers) Run(ctx context.Context, length time.Duration, emit func(drivers.GroupEvent)) error {
	g.emit = emit
	g.source.ledger.begin(emit)
	members := churn.Members{Count: g.config.Members, Strikes: g.config.Churn.Plan(g.config.Members, length, g.env.Seed),
		Clock: g.env.Clock, Emit: emit, Join: g.join}
	var reading sync.WaitGroup
	if g.dead != "" {
		reading.Go(func() { g.readDead(ctx) })
	}
	members.Run(ctx)
	reading.Wait()
	if g.started.Load() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Errorf("no member of the group could consume: %w", cmp.Or(g.failure, errors.New("the broker did not answer in time")))
}

// Settled implements drivers.Group. The members have left. When no message is left in the queue, each was worked on, or given up.
func (g *consumers) Settled(ctx context.Context) (map[int32]int64, error) {
	begun := time.Now()
	for {
		left, err := g.left(time.Since(begun))
		switch {
		case err == nil && left:
			return map[int32]int64{}, nil // which messages are left is not known
		case err == nil:
			if next, known := g.source.ledger.end(); known {
				return map[int32]int64{0: next}, nil
			}
			return nil, errors.New("the messages were too many to be told apart")
		}
		if !drivers.Pause(ctx, backoff) {
			return nil, fmt.Errorf("ask what the group left in its queue: %w", err)
		}
	}
}

// noticed is how long after the members' end a living node has surely noticed it: by two heartbeats without a sign of life.
const noticed = 3 * defaultHeartbeat

// left says whether messages are left in the group's queue. It is an error if the broker cannot know yet: it still counts a consumer
// that died, to which it may have handed messages. Where the members have worked on every message, what the broker holds for the dead is
// work that was done: nothing is lost with it.
//
// A quorum queue counts the consumers of a dead node for ever. It took back what they had in hand when it lost the node (rabbit_fifo:
// a consumer that is suspected to be down has no messages checked out). Those of living nodes are gone once these noticed
// their end. since is the time that has passed since that end.
func (g *consumers) left(since time.Duration) (bool, error) {
	c := g.source.control
	if !g.config.Single { // such a queue answers no get
		if got, err := g.peek(c); got || err != nil {
			return got, err
		}
	}
	q, err := c.inspect(g.queue)
	dead := g.config.Type == typeQuorum && since > noticed // all consumers that are counted are those of dead nodes
	if err == nil && q.Messages == 0 && q.Consumers > 0 && !dead && !g.source.ledger.allWorked() {
		err = fmt.Errorf("the broker still counts %d consumers that ended", q.Consumers)
	}
	return q.Messages > 0, err
}

// peek says whether the queue hands out a message, and gives it back. A quorum queue without a leader counts nothing, and answers
// no get.
func (g *consumers) peek(c *control) (got bool, err error) {
	err = c.do(func(ch *library.Channel) error {
		m, ok, err := ch.Get(g.queue, false)
		if got = ok; err != nil || !ok {
			return err
		}
		return m.Nack(false, true)
	})
	return got, err
}

// Close implements drivers.Group.
func (g *consumers) Close() error {
	if g.source == nil {
		return nil
	}
	g.source.group.Store(nil)
	c := newControl(g.dialer, g.env.Direct, g.env.Timeout)
	defer c.close()
	return c.remove(g.made)
}

// Peers implements drivers.Peers.
func (g *consumers) Peers(context.Context) (map[string]string, error) { return g.dialer.peers(), nil }

// Resolve implements drivers.Peers.
func (g *consumers) Resolve(_ context.Context, branch string) (string, error) {
	return g.dialer.resolvePeer(branch)
}

// noteFailure keeps why a member cannot consume.
func (g *consumers) noteFailure(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failure = err
}

// handedOut counts a delivery that the broker marks as redelivered.
func (g *consumers) handedOut(m *library.Delivery) {
	if !m.Redelivered {
		return
	}
	g.again.Add(1)
	if g.source.ledger.again(m) == g.config.poison()+1 {
		g.poison.Add(1)
	}
}

func (g *consumers) gauges(emit func(name string, value float64)) {
	for i, n := range []*atomic.Int64{&g.deadLettered, &g.again, &g.expired, &g.poison, &g.requeued} {
		emit(groupGauges[i], float64(n.Load()))
	}
}

// fails draws whether the work on a message fails. A message fails each time or never.
func (g *consumers) fails(m *library.Delivery) bool {
	if g.config.Fail == 0 {
		return false
	}
	var sum uint64
	for _, b := range []byte(m.MessageId + headerText(m, HeaderID) + string(m.Body)) {
		sum = sum*1099511628211 ^ uint64(b)
	}
	return drivers.DrawUnit(drivers.Draw(g.env.Seed, sum, failPlace)) < float64(g.config.Fail)
}

// failPlace keeps these draws apart from others of the stream.
const failPlace = 1 << 59
