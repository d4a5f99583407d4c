// Package watch follows the sources of a run: it passes each delivery to the checks that take deliveries, and runs the group of
// consumers that reads beside a source.
package watch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// Observer watches the place where a stream's operations or records must show up. The source was started before.
type Observer struct {
	Source drivers.Source
	Name   string // of the place among several; empty: it has none
	Place  string // in words, for the record
	// Checks take every delivery, in this order.
	Checks []reports.FollowsDeliveries
	Group  *Group // nil: no group of consumers reads
	// Unread is the reason why observation is not complete, once Settle returned; empty: it is complete.
	Unread string

	stop context.CancelFunc
	// over is closed when receiving ended; err is the reason if it ended by itself.
	over chan struct{}
	err  error
}

// Watch starts receiving, and the group; it does not block. Close ends both.
func (o *Observer) Watch(ctx context.Context) {
	ctx, o.stop = context.WithCancel(context.WithoutCancel(ctx))
	o.over = make(chan struct{})
	go func() {
		defer close(o.over)
		one := make([]drivers.Delivery, 1)
		o.err = o.Source.Receive(ctx, func(d *drivers.Delivery) {
			one[0] = *d
			for _, c := range o.Checks {
				c.Seen(one)
			}
		})
	}()
	if o.Group != nil {
		o.Group.run(ctx)
	}
}

// Gauges emits the gauges of the source and of the group.
func (o *Observer) Gauges(now time.Duration, emit func(name string, value float64)) {
	if g, ok := o.Source.(drivers.Gauger); ok {
		g.Gauges(emit)
	}
	if o.Group != nil {
		o.Group.Account.Gauges(now, emit)
	}
}

// Settle continues watching until drain ends, and then makes sure that the source was read to its end. The whole drain is
// watched even when all acked operations have been seen: a copy may follow late. Once interrupted ends, the source has a few seconds
// left. The returned reason is empty when observation is complete.
func (o *Observer) Settle(drain, interrupted context.Context) (why string) {
	o.Unread = o.settle(drain, interrupted)
	return o.Unread
}

func (o *Observer) settle(drain, interrupted context.Context) (why string) {
	select {
	case <-drain.Done():
	case <-o.over:
	}
	// The end of the source is looked for beyond the drain: the wait for the target is over, the wait for our reader is not.
	limit := catchUpLimit
	if p, ok := o.Source.(drivers.Patient); ok {
		limit = max(limit, p.CatchUpLimit())
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(drain), limit)
	defer cancel()
	defer context.AfterFunc(interrupted, func() { time.AfterFunc(interruptedCatchUp, cancel) })()
	caught := make(chan error, 1)
	go func() { caught <- o.Source.CatchUp(bounded) }()
	var err error
	select {
	case <-o.over:
		cancel()
		<-caught
	case err = <-caught:
	}
	// A receiver that had ended may have let the source report a read to its end.
	select {
	case <-o.over:
		return fmt.Sprintf("observing %s failed: %v", o.Place, o.err)
	default:
	}
	if err != nil {
		return fmt.Sprintf("%s was not read to its end: %v", o.Place, err)
	}
	if o.Group != nil {
		o.Group.settle(bounded)
	}
	return ""
}

// catchUpLimit bounds the reading of records that a source already holds.
const catchUpLimit = 10 * time.Second

// interruptedCatchUp bounds the same once a run is interrupted: whoever interrupts a run does not wait long for its record.
const interruptedCatchUp = 3 * time.Second

// Stop ends receiving: the checks get no more deliveries. Each of them then concludes from the same.
func (o *Observer) Stop() {
	if o.stop != nil {
		o.stop()
		<-o.over
	}
}

// Close ends receiving and frees the source.
func (o *Observer) Close() error {
	var failed error
	if o.Group != nil {
		failed = o.Group.close()
	}
	o.Stop()
	return errors.Join(failed, o.Source.Close())
}
