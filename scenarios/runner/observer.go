package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wringer/drivers"
	"wringer/reports"
	"wringer/reports/effects"
	"wringer/reports/integrity"
)

// observer watches where a stream's operations must show up and keeps the account of what did.
type observer struct {
	source drivers.Source
	// ledger compares with the operations that were sent, topic judges the records alone; at least one of them is there.
	ledger *integrity.Ledger
	topic  *integrity.Topic
	times  *effects.Account // how long effects took; nil: nobody asks
	place  string           // in words, for the record
	group  *herd            // nil: no group of consumers reads too

	stop context.CancelFunc
	// over is closed when receiving ended, err being why if it ended by itself.
	over chan struct{}
	err  error
}

// watch starts receiving. The source was started before.
func (o *observer) watch(ctx context.Context) {
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	o.over = make(chan struct{})
	go func() {
		defer close(o.over)
		one := make([]drivers.Delivery, 1)
		o.err = o.source.Receive(ctx, func(d *drivers.Delivery) {
			one[0] = *d
			o.seen(one)
		})
	}()
	if o.group != nil {
		o.group.run(ctx)
	}
}

func (o *observer) seen(batch []drivers.Delivery) {
	if o.ledger != nil {
		o.ledger.Seen(batch)
	}
	if o.topic != nil {
		o.topic.Seen(batch)
	}
	if o.times != nil {
		o.times.Seen(batch)
	}
	if o.group != nil {
		o.group.account.Seen(batch)
	}
}

// live is where the account stands.
func (o *observer) live() integrity.Live {
	if o.ledger != nil {
		return o.ledger.Live()
	}
	return o.topic.Live()
}

// finish closes the account. Where there is a ledger, the topic is asked for the order of its numbers alone.
func (o *observer) finish(c integrity.Completeness, windowAt func(time.Duration) int) integrity.Result {
	if o.ledger == nil {
		return o.topic.Finish(c)
	}
	r := o.ledger.Finish(c, windowAt)
	if o.topic == nil {
		return r
	}
	numbered := o.topic.Finish(c)
	r.Total.TakeOrder(numbered.Total)
	for name, w := range r.Windows {
		w.TakeOrder(numbered.Windows[name])
	}
	for _, name := range reports.OrderNames() {
		if why, ok := numbered.Unknown[name]; ok {
			r.Unknown[name] = why
		}
	}
	for _, v := range numbered.Violations {
		if slices.Contains(reports.OrderNames(), reports.EvidenceOf(v.Kind)) {
			r.Violations = append(r.Violations, v)
		}
	}
	return r
}

// settle goes on watching until drain ends, then makes sure that what stands in the source was read. The whole drain is
// watched even when all that was acked has been seen: a copy may follow late. The returned reason is empty when
// observation is complete.
func (o *observer) settle(drain context.Context) (why string) {
	select {
	case <-drain.Done():
	case <-o.over:
	}
	// The end of the source is looked for beyond the drain: the wait for the target is over, not that for our reader.
	limit, cancel := context.WithTimeout(context.WithoutCancel(drain), catchUpLimit)
	defer cancel()
	caught := make(chan error, 1)
	go func() { caught <- o.source.CatchUp(limit) }()
	var err error
	select {
	case <-o.over:
		cancel()
		<-caught
	case err = <-caught:
	}
	// A receiver that had ended may have let the source believe that it was read.
	select {
	case <-o.over:
		return fmt.Sprintf("observing %s failed: %v", o.place, o.err)
	default:
	}
	if err != nil {
		return fmt.Sprintf("%s was not read to its end: %v", o.place, err)
	}
	if o.group != nil {
		o.group.settle(limit)
	}
	return ""
}

// catchUpLimit bounds the reading of what already stands in a source.
const catchUpLimit = 10 * time.Second

// close ends receiving and frees the source.
func (o *observer) close() error {
	var failed error
	if o.group != nil {
		failed = o.group.close()
	}
	if o.stop != nil {
		o.stop()
		<-o.over
	}
	return errors.Join(failed, o.source.Close())
}
