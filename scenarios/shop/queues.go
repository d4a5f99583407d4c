package shop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/faults"
)

// queues is the leg over RabbitMQ: the topology, the order service's end of it, and the handler of dead letters.
//
//	order service --reserve, release--> commands --> worker --> reply to the queue that a command names
//	                                       |  (unreadable)
//	                                       v
//	                                  letters --> a reply that says failed
type queues struct {
	config  *AMQP
	network faults.Network
	uri     library.URI
	names   queueNames
	defects defects
	ledger  *ledger

	setup    *queueClient // declares, inspects and removes
	events   *queueClient // what has happened, straight to the broker
	commands *queueClient // of the order service
	inbox    *queueClient // its replies
	letters  *queueClient

	ctx    context.Context // ends when the shop closes
	cancel context.CancelFunc
	ended  sync.WaitGroup

	slots chan struct{} // commands under way; nil: unbounded
	mu    sync.Mutex
	waits map[string]chan workerReply // by correlation id
}

// queueNames are those of one shop: several may share a broker.
type queueNames struct{ commands, replies, letters, events string }

func newQueueNames() queueNames {
	prefix := fmt.Sprintf("wringer-shop-%08x-", rand.Uint32())
	return queueNames{prefix + "commands", prefix + "replies", prefix + "letters", prefix + "events"}
}

// command is the body of a message to the worker.
type command struct {
	Do       string `json:"do"` // reserve (also when empty), or release
	OrderID  string `json:"orderId"`
	Item     string `json:"item,omitempty"`
	Quantity int64  `json:"quantity"`
}

// workerReply is the body of a reply.
type workerReply struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	Why     string `json:"why,omitempty"`
}

// The results of a reservation.
const (
	statusReserved = "reserved"
	statusRefused  = "refused"
	statusReleased = "released"
	statusFailed   = "failed"
	statusUnknown  = "" // no reply in time
)

const (
	doRelease = "release"
	// mostInStock is the most of an item that one order gets.
	mostInStock = 100
	// headerDigest holds a checksum of the body (CRC-32, IEEE), in decimal. A command without one is not checked.
	headerDigest = "digest"
	// queueExpires is how long a queue without a consumer stays, in milliseconds: of shops that were killed.
	queueExpires = 600_000
)

// openQueues declares the topology and begins to consume replies and dead letters.
func openQueues(ctx context.Context, network faults.Network, c *Config, names queueNames, l *ledger) (*queues, error) {
	uri, err := parseBroker(c.AMQP.URL)
	if err != nil {
		return nil, fmt.Errorf("shop: amqp.url %w", err)
	}
	q := &queues{config: c.AMQP, names: names, network: network, uri: uri, defects: defectSet(c.Defects), ledger: l, waits: make(map[string]chan workerReply)}
	q.setup, q.events, q.letters = q.client("", false), q.client("", true), q.client("", true)
	q.commands, q.inbox = q.client(c.AMQP.Orders, true), q.client(c.AMQP.Orders, false)
	q.ctx, q.cancel = context.WithCancel(context.Background())
	if !q.defects[UnboundedBacklog] {
		q.slots = make(chan struct{}, q.config.backlog())
	}
	if err := q.declare(ctx); err != nil {
		q.close()
		return nil, fmt.Errorf("shop: amqp: %w", err)
	}
	q.ended.Go(func() { q.inbox.consume(q.ctx, q.names.replies, 256, nil, q.replied) })
	if !q.defects[NoDeadLetter] {
		q.ended.Go(func() { q.letters.consume(q.ctx, q.names.letters, 64, nil, q.buried) })
	}
	return q, nil
}

// client makes a client of the broker that dials an address; empty: the broker itself.
func (q *queues) client(address string, confirm bool) *queueClient {
	return &queueClient{network: q.network, uri: q.uri, address: cmp.Or(address, brokerAddress(q.uri)), confirm: confirm}
}

func (q *queues) declare(ctx context.Context) error {
	ch, err := q.setup.channel(ctx)
	if err != nil {
		return err
	}
	commands := library.Table{"x-expires": int64(queueExpires)}
	if !q.defects[NoDeadLetter] {
		commands["x-dead-letter-exchange"] = q.names.letters
	}
	if !q.defects[UnboundedBacklog] {
		commands["x-max-length"], commands["x-overflow"] = int64(q.config.backlog()), "reject-publish"
	}
	for name, kind := range map[string]string{q.names.events: "topic", q.names.letters: "fanout"} {
		if err := ch.ExchangeDeclare(name, kind, false, false, false, false, nil); err != nil {
			return err
		}
	}
	for name, arguments := range map[string]library.Table{q.names.commands: commands, q.names.replies: {"x-expires": int64(queueExpires)}, q.names.letters: {"x-expires": int64(queueExpires)}} {
		if _, err := ch.QueueDeclare(name, true, false, false, false, arguments); err != nil {
			return err
		}
	}
	return ch.QueueBind(q.names.letters, "", q.names.letters, false, nil)
}

// ready is how many commands wait in the queue; 0 if the broker does not answer.
func (q *queues) ready() int64 {
	ctx, cancel := context.WithTimeout(q.ctx, queueDialLimit)
	defer cancel()
	ch, err := q.setup.channel(ctx)
	if err != nil {
		return 0
	}
	found, err := ch.QueueDeclarePassive(q.names.commands, true, false, false, false, nil)
	if err != nil {
		return 0
	}
	return int64(found.Messages)
}

// tell publishes that something has happened to an order.
func (q *queues) tell(ctx context.Context, key, orderID string, headers library.Table) error {
	return q.events.publish(ctx, q.names.events, key, eventOf(orderID, headers))
}

// mention is tell without a wait for the confirm: with its connection the event may get lost.
func (q *queues) mention(ctx context.Context, key, orderID string, headers library.Table) {
	if ch, err := q.events.channel(ctx); err == nil {
		_ = ch.PublishWithContext(ctx, q.names.events, key, false, false, eventOf(orderID, headers))
	}
}

func eventOf(orderID string, headers library.Table) library.Publishing {
	body, _ := json.Marshal(struct { // a string: cannot fail
		OrderID string `json:"orderId"`
	}{orderID})
	return library.Publishing{ContentType: "application/json", Headers: headers, Body: body}
}

// send sends a command to the worker. Of a command whose confirm was lost there may be two: the worker recognises them.
func (q *queues) send(ctx context.Context, c command) error {
	body, _ := json.Marshal(c) // strings and a number: cannot fail
	return q.commands.publish(ctx, "", q.names.commands, library.Publishing{
		ContentType: "application/json", DeliveryMode: library.Persistent, CorrelationId: c.Do + ":" + c.OrderID, ReplyTo: q.names.replies,
		Headers: library.Table{headerDigest: fmt.Sprint(crc32.ChecksumIEEE(body))}, Body: body})
}

// enter takes a place among the commands under way, for leave to give back. It returns false if all are taken.
func (q *queues) enter() bool {
	if q.slots == nil {
		return true
	}
	select {
	case q.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (q *queues) leave() {
	if q.slots != nil {
		<-q.slots
	}
}

// reserve sends the command and waits for its reply, at most as long as the configuration says.
func (q *queues) reserve(ctx context.Context, r *request) workerReply {
	ctx, cancel := context.WithTimeout(ctx, q.config.wait())
	defer cancel()
	c := command{Do: "reserve", OrderID: r.OrderID, Item: r.Items[0].ID, Quantity: r.Items[0].Quantity}
	reply := q.await(c)
	defer q.forget(c)
	if err := q.send(ctx, c); errors.Is(err, errBusy) {
		return workerReply{r.OrderID, statusFailed, err.Error()}
	}
	select {
	case got := <-reply:
		return got
	case <-ctx.Done():
		return workerReply{OrderID: r.OrderID, Status: statusUnknown}
	}
}

func (q *queues) await(c command) <-chan workerReply {
	reply := make(chan workerReply, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waits[c.Do+":"+c.OrderID] = reply
	return reply
}

func (q *queues) forget(c command) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.waits, c.Do+":"+c.OrderID)
}

// replied takes a reply. One that nobody waits for is late, or came twice.
func (q *queues) replied(_ *library.Channel, m *library.Delivery) {
	var r workerReply
	err := json.Unmarshal(m.Body, &r)
	_ = m.Ack(false) // a connection that ended delivers it again
	if err != nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if reply := q.waits[m.CorrelationId]; reply != nil {
		select {
		case reply <- r:
		default: // it has one
		}
	}
}

// buried answers a command that nobody could read: it failed.
func (q *queues) buried(_ *library.Channel, m *library.Delivery) {
	if m.ReplyTo != "" {
		body, _ := json.Marshal(workerReply{Status: statusFailed, Why: "the command was unreadable"})
		reply := library.Publishing{ContentType: "application/json", CorrelationId: m.CorrelationId, Body: body}
		if q.letters.publishOnce(q.ctx, "", m.ReplyTo, reply) != nil {
			return // not acked: it comes again
		}
	}
	_ = m.Ack(false)
}

// close ends the consumers, and removes what was declared. A broker that does not answer removes it itself, later.
func (q *queues) close() {
	q.cancel()
	q.ended.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), queueDialLimit)
	defer cancel()
	if ch, err := q.setup.channel(ctx); err == nil {
		for _, name := range []string{q.names.commands, q.names.replies, q.names.letters} {
			_, _ = ch.QueueDelete(name, false, false, false) // it expires
		}
		for _, name := range []string{q.names.events, q.names.letters} {
			_ = ch.ExchangeDelete(name, false, false)
		}
	}
	for _, c := range []*queueClient{q.setup, q.events, q.commands, q.inbox, q.letters} {
		c.close()
	}
}
