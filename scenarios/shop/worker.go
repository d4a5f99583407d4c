package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
	"sync/atomic"
	"time"

	library "github.com/rabbitmq/amqp091-go"

	"wringer/drivers"
)

// worker is the service behind the queue of commands. It implements faults.Part.
//
// It acks a command after it has published what it did and the reply. A kill cuts its connection: what it had in hand is delivered
// again, and recognised, because its database survives. A command that is being worked on is finished, as by a program that dies a
// little later.
type worker struct {
	queues *queues
	client *queueClient

	reserved   *boundedMap[string, bool] // by order: reserved, or (false) refused or released
	pausePoint pausePoint

	mu        sync.Mutex
	run       *workerRun // nil once killed and ended
	last      addressee  // of the command before: wrong-correlation
	inForce   map[string]bool
	metBefore int64
	inHand    atomic.Int64 // commands that were delivered and are not done
}

// workerRun is the worker between a start and a kill.
type workerRun struct {
	kill   context.CancelFunc
	opened chan struct{} // closed once it consumes
	once   sync.Once
	ended  chan struct{}
}

// addressee is who gets a reply.
type addressee struct{ queue, correlation string }

const (
	partWorker = "worker"
	// lanes is how many commands the worker works on at once.
	lanes          = 4
	workerPrefetch = 16
	// ackedLanes and roundEvery are those of ack-before-work: so many acked commands wait for the next round of work.
	ackedLanes = 64
	roundEvery = 200 * time.Millisecond
	// loopPause keeps the defect poison-loop from taking the whole processor.
	loopPause = 20 * time.Millisecond
)

func newWorker(q *queues, client *queueClient) *worker {
	return &worker{queues: q, client: client, reserved: newBoundedMap[string, bool](memoryLimit), inForce: make(map[string]bool)}
}

// Start implements faults.Part.
func (w *worker) Start(ctx context.Context) error {
	w.mu.Lock()
	dying, killed := w.run, w.inForce["kill"]
	w.mu.Unlock()
	switch {
	case dying == nil:
	case !killed:
		return nil
	default:
		if err := w.awaitEnd(ctx, dying); err != nil {
			return err
		}
	}
	w.stopCounting("kill")
	running, kill := context.WithCancel(w.queues.ctx)
	run := &workerRun{kill: kill, opened: make(chan struct{}), ended: make(chan struct{})}
	w.mu.Lock()
	w.run = run
	w.mu.Unlock()
	go w.serve(running, run)
	return nil
}

// serve works until its kill.
func (w *worker) serve(ctx context.Context, run *workerRun) {
	defer close(run.ended)
	var working sync.WaitGroup
	taken := make(chan func())
	n := lanes
	if w.queues.defects[AckBeforeWork] {
		n = ackedLanes
	}
	for range n {
		working.Go(func() {
			for work := range taken {
				work()
			}
		})
	}
	w.client.consume(ctx, w.queues.names.commands, workerPrefetch, func() { run.once.Do(func() { close(run.opened) }) },
		func(ch *library.Channel, m *library.Delivery) {
			w.inHand.Add(1)
			one := *m
			select {
			case taken <- func() { defer w.inHand.Add(-1); w.take(ctx, ch, &one) }:
			case <-ctx.Done():
				w.inHand.Add(-1)
			}
		})
	close(taken)
	working.Wait()
}

// take works on one command, unless a kill comes first.
func (w *worker) take(ctx context.Context, ch *library.Channel, m *library.Delivery) {
	if !w.pausePoint.wait(ctx.Done()) || ctx.Err() != nil {
		return
	}
	if !w.queues.defects[AckBeforeWork] {
		w.work(ctx, ch, m)
		return
	}
	_ = m.Ack(false)
	m.Acknowledger = acked{}
	// It works in rounds: a kill before the next one loses the command.
	if sleep(ctx, time.Until(time.Now().Truncate(roundEvery).Add(roundEvery))) {
		w.work(ctx, ch, m)
	}
}

// acked is the acknowledger of a command that is acked already: to ack it once more would close the channel.
type acked struct{}

func (acked) Ack(uint64, bool) error        { return nil }
func (acked) Nack(uint64, bool, bool) error { return nil }
func (acked) Reject(uint64, bool) error     { return nil }

// work does a command, replies, and acks. What it has begun it finishes, whatever the kill.
func (w *worker) work(ctx context.Context, ch *library.Channel, m *library.Delivery) {
	d := w.queues.defects
	c, err := readCommand(m)
	w.queues.mention(w.queues.ctx, keyAttempted, c.OrderID, ours(m.Headers))
	if err != nil {
		if d[PoisonLoop] {
			sleep(ctx, loopPause)
		}
		_ = m.Nack(false, d[PoisonLoop])
		return
	}
	sleep(w.queues.ctx, w.queues.config.work())
	result, err := w.do(c, ours(m.Headers))
	if err != nil {
		return // the shop closes
	}
	body, _ := json.Marshal(result) // strings: cannot fail
	if to := w.addressee(m, c.OrderID); to.queue != "" {
		// The ack follows on the same channel: a reply that got lost with it is sent again.
		_ = ch.PublishWithContext(w.queues.ctx, "", to.queue, false, false, library.Publishing{ContentType: "application/json", CorrelationId: to.correlation, Body: body})
	}
	_ = m.Ack(false)
}

// ours are those headers of a command that name an operation: what the worker tells carries them on.
func ours(headers library.Table) library.Table {
	kept := library.Table{}
	for _, name := range []string{"wringer-id", "wringer-attempt"} {
		if value, ok := headers[name]; ok {
			kept[name] = value
		}
	}
	return kept
}

func readCommand(m *library.Delivery) (c command, err error) {
	if digest, ok := m.Headers[headerDigest].(string); ok && digest != fmt.Sprint(crc32.ChecksumIEEE(m.Body)) {
		return c, errors.New("the digest does not fit the body")
	}
	if err := json.Unmarshal(m.Body, &c); err != nil {
		return c, err
	}
	if c.OrderID == "" || len(c.OrderID) > maxText {
		return command{}, errors.New("no order is named")
	}
	return c, nil
}

// do does a command once, whatever the number of its deliveries, and tells what came of it.
func (w *worker) do(c command, headers library.Table) (workerReply, error) {
	if c.Do == doRelease {
		return w.release(c, headers)
	}
	has, fresh := w.reserved.getOrPut(c.OrderID, func() bool { return c.Quantity <= mostInStock })
	if !has {
		return workerReply{c.OrderID, statusRefused, "there is not enough of the item"}, nil
	}
	if fresh || w.queues.defects[NotIdempotent] {
		if err := w.queues.tell(w.queues.ctx, keyReserved, c.OrderID, headers); err != nil {
			return workerReply{}, err
		}
		w.queues.ledger.add(Reserved, c.OrderID)
	}
	return workerReply{OrderID: c.OrderID, Status: statusReserved}, nil
}

// release undoes a reservation. One that is still to come will be refused.
func (w *worker) release(c command, headers library.Table) (workerReply, error) {
	w.reserved.getOrPut(c.OrderID, func() bool { return false })
	if w.reserved.replace(c.OrderID, false) {
		if err := w.queues.tell(w.queues.ctx, keyReleased, c.OrderID, headers); err != nil {
			return workerReply{}, err
		}
		w.queues.ledger.add(Released, c.OrderID)
	}
	return workerReply{OrderID: c.OrderID, Status: statusReleased}, nil
}

// addressee is who gets the reply: who asked, or with wrong-correlation now and then who asked before.
func (w *worker) addressee(m *library.Delivery, orderID string) addressee {
	asked := addressee{m.ReplyTo, m.CorrelationId}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.last
	w.last = asked
	if w.queues.defects[WrongCorrelation] && before.queue != "" && drivers.DrawBelow(draw(0, orderID, placeCorrelation), 20) == 0 {
		return before
	}
	return asked
}

// Kill implements faults.Part.
func (w *worker) Kill(ctx context.Context) error {
	w.mu.Lock()
	run := w.run
	w.mu.Unlock()
	if run == nil {
		return nil
	}
	w.startCounting("kill")
	run.kill()
	return w.awaitEnd(ctx, run)
}

func (w *worker) awaitEnd(ctx context.Context, run *workerRun) error {
	select {
	case <-run.ended:
	case <-ctx.Done():
		return fmt.Errorf("the worker is killed, and still at work: %w", ctx.Err())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.run == run {
		w.run = nil
	}
	return nil
}

// Pause implements faults.Part. Commands that are being worked on are finished; the next ones wait.
func (w *worker) Pause(context.Context) error {
	w.startCounting("pause")
	w.pausePoint.pause()
	return nil
}

// Resume implements faults.Part.
func (w *worker) Resume(context.Context) error {
	w.stopCounting("pause")
	w.pausePoint.resume()
	return nil
}

// startCounting counts the commands in hand.
func (w *worker) startCounting(verb string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.inForce) == 0 {
		w.metBefore += w.inHand.Load()
	}
	w.inForce[verb] = true
}

// stopCounting adds the commands that came meanwhile: they wait in the queue, or for the end of a pause.
func (w *worker) stopCounting(verb string) {
	ready := w.queues.ready()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.inForce[verb] {
		return
	}
	delete(w.inForce, verb)
	if len(w.inForce) == 0 {
		w.metBefore += ready + w.inHand.Load()
	}
}

// Met implements faults.Part. Of commands that were in hand and are delivered again some may count twice.
func (w *worker) Met() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.metBefore
}

// Ready implements faults.Part.
func (w *worker) Ready(ctx context.Context) error {
	w.mu.Lock()
	run := w.run
	w.mu.Unlock()
	if run == nil {
		return errors.New("the worker is killed")
	}
	if w.pausePoint.paused() != nil {
		return errors.New("the worker is paused")
	}
	select {
	case <-run.opened:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the worker does not consume yet: %w", ctx.Err())
	}
}
