package watch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"wringer/drivers"
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
		if why := o.Settle(drain); !strings.Contains(why, "no reader") {
			t.Fatalf("settled with %q", why)
		}
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
