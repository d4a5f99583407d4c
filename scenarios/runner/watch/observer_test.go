package watch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/reports"
)

// brokenSource ended by itself, and reports that everything was read.
type brokenSource struct{ drivers.Source }

func (brokenSource) Receive(context.Context, func(*drivers.Delivery)) error {
	return errors.New("no reader")
}
func (brokenSource) CatchUp(context.Context) error { return nil }
func (brokenSource) Close() error                  { return nil }

// A source's report after the end of receiving completes no observation, in whichever order the two arrive.
func TestObserverThatEndedIsNeverComplete(t *testing.T) {
	drain, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20_000 {
		o := &Observer{Source: brokenSource{}, Place: "the topic"}
		o.Watch(t.Context())
		<-o.over
		if why := o.Settle(drain, t.Context()); !strings.Contains(why, "no reader") {
			t.Fatalf("settled with %q", why)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stuckSource waits for a place that does not answer.
type stuckSource struct{ drivers.Source }

func (stuckSource) Receive(ctx context.Context, _ func(*drivers.Delivery)) error {
	<-ctx.Done()
	return nil
}
func (stuckSource) CatchUp(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
func (stuckSource) CatchUpLimit() time.Duration { return time.Minute }
func (stuckSource) Close() error                { return nil }

// An interrupt does not wait for a place as long as a run does.
func TestAnInterruptHurriesTheLastReading(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{20 * time.Second: 23 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			drain, over := context.WithCancel(t.Context())
			over()
			run, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			interrupts := time.AfterFunc(wait, interrupt)
			defer interrupts.Stop()
			o := &Observer{Source: stuckSource{}, Place: "the table"}
			o.Watch(t.Context())
			begun := time.Now()
			if why := o.Settle(drain, run); !strings.Contains(why, "not read to its end") || time.Since(begun) != want {
				t.Errorf("settled with %q after %s, want %s", why, time.Since(begun), want)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// endless delivers on and on, until it is told to stop.
type endless struct{ drivers.Source }

func (endless) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	for ctx.Err() == nil {
		deliver(&drivers.Delivery{})
	}
	return nil
}
func (endless) CatchUp(context.Context) error { return nil }
func (endless) Close() error                  { return nil }

// counter counts deliveries.
type counter struct{ n int }

func (c *counter) Seen(batch []drivers.Delivery) { c.n += len(batch) }

// Once an observer has stopped, no check gets a delivery that another one missed.
func TestNoDeliveryAfterTheStop(t *testing.T) {
	one, other := &counter{}, &counter{}
	o := &Observer{Source: endless{}, Checks: []reports.FollowsDeliveries{one, other}}
	o.Watch(t.Context())
	drain, cancel := context.WithCancel(t.Context())
	cancel()
	if why := o.Settle(drain, t.Context()); why != "" {
		t.Error(why)
	}
	o.Stop()
	seen := one.n // the race detector tells of a delivery from here on
	if other.n != seen {
		t.Errorf("one check got %d deliveries, the other %d", seen, other.n)
	}
	if err := o.Close(); err != nil || one.n != seen {
		t.Errorf("%d deliveries after the stop, %v", one.n-seen, err)
	}
}
