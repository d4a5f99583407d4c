package runner

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
	"wringer/reports/integrity"
)

// observer watches where a stream's operations must show up and keeps the ledger of what did.
type observer struct {
	source drivers.Source
	ledger *integrity.Ledger
	place  string // in words, for the record

	stop     context.CancelFunc
	received sync.WaitGroup
	broken   atomic.Pointer[error]
	seen     atomic.Int64
}

// watch starts receiving. The source was started before.
func (o *observer) watch(ctx context.Context) {
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	o.received.Go(func() {
		one := make([]drivers.Delivery, 1)
		err := o.source.Receive(ctx, func(d *drivers.Delivery) {
			one[0] = *d
			o.ledger.Seen(one)
			o.seen.Add(1)
		})
		if err != nil {
			o.broken.Store(&err)
		}
	})
}

// quiet is how long nothing may arrive, after all that was acked has been seen, before the drain ends early: a copy that
// follows the first by less must not be missed.
const quiet = 2 * time.Second

// settle waits until every acked operation was seen and nothing more arrives, at most until ctx ends, then makes sure that
// what stands in the source was read. The returned reason is empty when observation is complete.
func (o *observer) settle(ctx context.Context, clock func() time.Duration) (why string) {
	last, since := o.seen.Load(), clock()
	for o.broken.Load() == nil && sleep(ctx, 20*time.Millisecond) {
		now := clock()
		if n := o.seen.Load(); n != last || !o.ledger.Settled() {
			last, since = n, now
		} else if now-since >= quiet {
			break
		}
	}
	if err := o.broken.Load(); err != nil {
		return fmt.Sprintf("observing %s failed: %v", o.place, *err)
	}
	// The end of the source is looked for beyond the drain: the wait for the target is over, not that for our reader.
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), catchUpLimit)
	defer cancel()
	if err := o.source.CatchUp(limit); err != nil {
		return fmt.Sprintf("%s was not read to its end: %v", o.place, err)
	}
	if err := o.broken.Load(); err != nil {
		return fmt.Sprintf("observing %s failed: %v", o.place, *err)
	}
	return ""
}

// catchUpLimit bounds the reading of what already stands in a source.
const catchUpLimit = 10 * time.Second

// close ends receiving and frees the source.
func (o *observer) close() error {
	if o.stop != nil {
		o.stop()
	}
	o.received.Wait()
	return o.source.Close()
}
