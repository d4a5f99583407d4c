package amqp

import (
	"context"
	"errors"
	"testing"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// Opening ends with its context, and not with the broker's patience: at a broker that says nothing, and at one that falls silent at a
// declaration.
func TestInterruptedOpen(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(context.Context, string, drivers.Env) error{
		"driver": func(ctx context.Context, url string, env drivers.Env) error {
			_, err := (&Config{URL: url, Queue: testQueue}).Open(ctx, env)
			return err
		},
		"source": func(ctx context.Context, url string, env drivers.Env) error {
			s, err := (&Effect{URL: url, Queue: testQueue, ID: "header wringer-id"}).Open(ctx, env)
			if err != nil {
				return err
			}
			return errors.Join(s.Start(ctx), s.Close())
		},
	} {
		t.Run(name+", no handshake", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			server := drivertest.ServeRaw(t, func(c *drivertest.RawConn) { c.Skip(8); cancel(); c.Hang() })
			if err := open(ctx, "amqp://a:b@"+server.Address()+"/", testEnv(t)); !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
		t.Run(name+", no channel", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			b := startFake(t)
			b.silent(20<<16|10, cancel) // channel.open
			if err := open(ctx, b.url(), testEnv(t)); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
	}
}
