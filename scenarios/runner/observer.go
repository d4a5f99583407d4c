package runner

import (
	"context"
	"fmt"
	"time"

	"wringer/drivers"
	"wringer/reports/integrity"
)

// observer watches where a stream's operations must show up and keeps the ledger of what did.
type observer struct {
	source drivers.Source
	ledger *integrity.Ledger
	place  string // in words, for the record

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
			o.ledger.Seen(one)
		})
	}()
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
	select {
	case <-o.over:
		cancel()
		<-caught
		return fmt.Sprintf("observing %s failed: %v", o.place, o.err)
	case err := <-caught:
		if err != nil {
			return fmt.Sprintf("%s was not read to its end: %v", o.place, err)
		}
	}
	return ""
}

// catchUpLimit bounds the reading of what already stands in a source.
const catchUpLimit = 10 * time.Second

// close ends receiving and frees the source.
func (o *observer) close() error {
	if o.stop != nil {
		o.stop()
		<-o.over
	}
	return o.source.Close()
}
