package shop

import (
	"context"
	"fmt"
)

// saga is how far an order has come over the leg of RabbitMQ. Completed steps stay completed: the next run continues from here.
type saga struct {
	charged, refunded, released bool
	result                      *workerReply // nil: not known
}

// bySaga charges an order, reserves it by a command to the worker, and undoes the charge where the reservation failed. An order that
// got no reply in time is cancelled too: what the worker may have reserved, or may reserve yet, is released.
func (o *orders) bySaga(shopCtx context.Context, n *order) answer {
	s, q := &n.saga, o.queues
	if !s.charged || s.result == nil {
		if !q.enter() {
			return refuse("overloaded", fmt.Errorf("%d commands are under way", cap(q.slots)))
		}
		defer q.leave()
	}
	if err := o.once(shopCtx, &s.charged, keyCharged, Charged, n.OrderID); err != nil {
		return refuse("charge_unknown", err)
	}
	if s.result == nil {
		got := q.reserve(shopCtx, &n.request)
		if shopCtx.Err() != nil {
			return refuse("closing", shopCtx.Err())
		}
		s.result = &got
	}
	if s.result.Status == statusReserved {
		return o.announce(shopCtx, n)
	}
	return o.compensate(shopCtx, n)
}

// compensate undoes what was done for an order that is not reserved.
func (o *orders) compensate(shopCtx context.Context, n *order) answer {
	s := &n.saga
	if o.defects[NoCompensation] {
		return o.accept(n, statusCancelled)
	}
	if err := o.once(shopCtx, &s.refunded, keyRefunded, Refunded, n.OrderID); err != nil {
		return refuse("refund_unknown", err)
	}
	if s.result.Status == statusUnknown && !s.released {
		if err := o.queues.send(shopCtx, command{Do: doRelease, OrderID: n.OrderID}); err != nil {
			return refuse("release_unknown", err)
		}
		s.released = true
	}
	return o.accept(n, statusCancelled)
}

// once tells of a step that is not done yet.
func (o *orders) once(ctx context.Context, done *bool, key string, kind EffectKind, orderID string) error {
	if *done {
		return nil
	}
	if err := o.queues.tell(ctx, key, orderID, nil); err != nil {
		return err
	}
	*done = true
	o.ledger.add(kind, orderID)
	return nil
}
