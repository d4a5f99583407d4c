package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"wringer/drivers"
)

// orders is the order service. It reserves an order, publishes its event, and answers. An order answered 201 is reserved
// and published exactly once.
//
// An order continues in the background when its client has gone, and a later request with the same key joins it. So its
// context is not the request's, but shopCtx, which ends when the shop closes. Safe for concurrent use.
type orders struct {
	inventory *inventoryClient
	queues    *queues // reserves in place of the inventory; nil: there is no such leg
	events    *publisher
	ledger    *ledger
	defects   defects
	seed      uint64
	patience  time.Duration // of the wait for the broker's confirmation; 0: unlimited

	byKey  *boundedMap[string, *order] // by Idempotency-Key
	placed *boundedMap[string, []byte] // the answer to the first order with each id

	// slots bounds the orders in flight, those in the background included, and the lookups.
	slots chan struct{}
	// queue holds orders that ack-before-publish has answered and not published.
	queue   chan *order
	workers sync.WaitGroup
}

const (
	maxOrdersUnderWay = 8192
	publishPatience   = 3 * time.Second
	// leakyQueue is the length of ack-before-publish's queue.
	leakyQueue = 64
	// maxEventDelay is the longest delay of the defect unordered.
	maxEventDelay = 300 * time.Millisecond
)

// request is the body of POST /orders.
type request struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	Items      []item `json:"items"`

	trace string // the request's traceparent, passed on to the inventory; empty: none
}

type item struct {
	ID       string `json:"id"`
	Quantity int64  `json:"quantity"`
}

// order is one order in progress, across all requests with its key.
type order struct {
	request
	body [32]byte // the hash of the body of the first request with the key

	mu  sync.Mutex
	run *orderRun // the latest; nil before the first

	// Completed steps stay completed: the next run continues from here. Only the current run uses these fields.
	reserved int // the number of items reserved
	saga     saga
	events   []*receipt
}

// orderRun is one run of an order's steps, from where the last run failed to an answer.
type orderRun struct {
	done   chan struct{}
	answer answer // valid after done
}

type answer struct {
	status int
	body   []byte
}

func newOrders(shopCtx context.Context, c *Config, seed uint64, inventory *inventoryClient, events *publisher, l *ledger) *orders {
	o := &orders{
		inventory: inventory, events: events, ledger: l, defects: defectSet(c.Defects), seed: seed,
		byKey:  newBoundedMap[string, *order](memoryLimit),
		placed: newBoundedMap[string, []byte](memoryLimit),
		slots:  make(chan struct{}, c.capacity()),
	}
	if on(c.Timeouts) {
		o.patience = publishPatience
	}
	if o.defects[AckBeforePublish] {
		o.queue = make(chan *order, leakyQueue)
		o.workers.Go(func() { o.publishQueued(shopCtx) })
	}
	return o
}

// close waits for the work in progress, after shopCtx ended. place must not be called any more.
func (o *orders) close() { o.workers.Wait() }

// place returns a run of the order: the current one, the one that succeeded, or a new one. A request without a key is an
// order of its own. ok is false if the key came with another body before.
func (o *orders) place(shopCtx context.Context, key string, r request, body [32]byte) (*orderRun, bool) {
	n := &order{request: r, body: body}
	if key != "" && !o.defects[NoDedupe] {
		n, _ = o.byKey.getOrPut(key, func() *order { return n })
	}
	if n.body != body {
		return nil, false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run == nil || n.run.failed() {
		n.run = o.begin(shopCtx, n)
	}
	return n.run, true
}

// failed reports whether the run has ended and another run may succeed.
func (r *orderRun) failed() bool {
	select {
	case <-r.done:
		return r.answer.status != http.StatusCreated
	default:
		return false
	}
}

func (o *orders) begin(shopCtx context.Context, n *order) *orderRun {
	r := &orderRun{done: make(chan struct{})}
	select {
	case o.slots <- struct{}{}:
	default:
		r.answer = refuse("overloaded", fmt.Errorf("%d requests are in progress", cap(o.slots)))
		close(r.done)
		return r
	}
	o.workers.Go(func() {
		defer func() { <-o.slots }()
		r.answer = o.process(shopCtx, n)
		close(r.done)
		if o.defects[Unordered] && !r.failed() {
			o.publishLater(shopCtx, n)
		}
	})
	return r
}

// lookup returns the answer to the first order with this id. Like every request it takes a slot.
func (o *orders) lookup(id string) answer {
	select {
	case o.slots <- struct{}{}:
		defer func() { <-o.slots }()
	default:
		return refuse("overloaded", fmt.Errorf("%d requests are in progress", cap(o.slots)))
	}
	body, ok := o.placed.get(id)
	if !ok {
		return answer{http.StatusNotFound, problem("not_found", "no order of this id was placed")}
	}
	return answer{http.StatusOK, body}
}

// process takes the order through its steps to an answer.
func (o *orders) process(shopCtx context.Context, n *order) answer {
	if o.queues != nil {
		return o.bySaga(shopCtx, n)
	}
	if err := o.reserve(shopCtx, n); err != nil {
		return refuse(inventoryCode(err), err)
	}
	return o.announce(shopCtx, n)
}

// announce publishes the event of an order that is reserved.
func (o *orders) announce(shopCtx context.Context, n *order) answer {
	switch {
	case o.defects[AckBeforePublish]:
		o.enqueue(n)
	case o.defects[Unordered]: // begin publishes it
	default:
		if code, err := o.publish(shopCtx, n, o.patience); err != nil {
			return refuse(code, err)
		}
	}
	return o.accept(n, statusPlaced)
}

// reserve calls the inventory for each item that is not reserved yet. The inventory recognises an order's item, so a retry
// after a lost answer is no second reservation.
func (o *orders) reserve(shopCtx context.Context, n *order) error {
	for ; n.reserved < len(n.Items); n.reserved++ {
		if err := o.inventory.reserve(shopCtx, &n.request, n.reserved); err != nil {
			return err
		}
	}
	return nil
}

// publish hands over the order's event, unless an earlier run did, and waits until the broker has confirmed it. The event
// is handed over once in any case. An event whose outcome is unknown is neither acknowledged nor published again.
func (o *orders) publish(shopCtx context.Context, n *order, patience time.Duration) (code string, err error) {
	ctx, cancel := bounded(shopCtx, patience)
	defer cancel()
	for len(n.events) < o.copies(n) {
		e := o.handOver(ctx, n)
		if e == nil {
			return "publish_timeout", fmt.Errorf("the event could not be handed to the broker: %w", ctx.Err())
		}
		n.events = append(n.events, e)
	}
	for _, e := range n.events {
		select {
		case <-e.done:
		case <-ctx.Done():
			return "publish_timeout", fmt.Errorf("the broker has not confirmed the event yet: %w", ctx.Err())
		}
		if e.err != nil {
			return "publish_unknown", fmt.Errorf("it is unknown whether the broker has the event: %w", e.err)
		}
	}
	return "", nil
}

func (o *orders) copies(n *order) int {
	if o.defects.publishesTwice(n.OrderID) {
		return 2
	}
	return 1
}

func (o *orders) handOver(ctx context.Context, n *order) *receipt {
	value, _ := json.Marshal(n.request) // strings and numbers: cannot fail
	return o.events.publish(ctx.Done(), topicOrderEvents, n.CustomerID, value, func(err error) {
		if err == nil {
			o.ledger.add(EventPublished, n.OrderID)
		}
	})
}

// enqueue is part of ack-before-publish. Orders that do not fit into the queue are lost.
func (o *orders) enqueue(n *order) {
	select {
	case o.queue <- n:
	default:
	}
}

// publishQueued publishes the queued orders, all that are waiting at once. Orders queued when the shop closes are lost.
func (o *orders) publishQueued(shopCtx context.Context) {
	for {
		select {
		case <-shopCtx.Done():
			return
		case n := <-o.queue:
			batch := []*order{n}
			for len(o.queue) > 0 {
				batch = append(batch, <-o.queue)
			}
			o.publishBatch(shopCtx, batch)
		}
	}
}

func (o *orders) publishBatch(shopCtx context.Context, batch []*order) {
	for _, n := range batch {
		for len(n.events) < o.copies(n) {
			e := o.handOver(shopCtx, n)
			if e == nil {
				return
			}
			n.events = append(n.events, e)
		}
	}
	for _, n := range batch {
		_, _ = o.publish(shopCtx, n, 0)
	}
}

// publishLater is the defect unordered. Closing the shop cuts the delay short; nothing is lost.
func (o *orders) publishLater(shopCtx context.Context, n *order) {
	delay := drivers.DrawBelow(draw(o.seed, n.OrderID, placeDelay), uint64(maxEventDelay))
	sleep(shopCtx, time.Duration(delay))
	for len(n.events) < o.copies(n) {
		n.events = append(n.events, o.handOver(context.Background(), n))
	}
}

// The states of an order that was taken.
const (
	statusPlaced    = "placed"
	statusCancelled = "cancelled" // by the leg over RabbitMQ
)

func (o *orders) accept(n *order, status string) answer {
	body, _ := json.Marshal(struct { // strings and numbers: cannot fail
		request
		Status string `json:"status"`
	}{n.request, status})
	o.placed.getOrPut(n.OrderID, func() []byte { return body })
	o.ledger.add(OrderPlaced, n.OrderID)
	return answer{http.StatusCreated, body}
}

// refuse answers that the order was not placed, and may be tried again with the same key.
func refuse(code string, err error) answer {
	return answer{http.StatusServiceUnavailable, problem(code, err.Error())}
}
