package effect

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"wringer/drivers"
	"wringer/drivers/drivertest"
)

// slowStream hands over documents with a pause before each.
type slowStream struct {
	pauses []time.Duration
	closed chan struct{}
	once   sync.Once
}

func (s *slowStream) Next() ([]byte, error) {
	if len(s.pauses) > 0 {
		time.Sleep(s.pauses[0])
		s.pauses = s.pauses[1:]
		return []byte(`{"id":"a"}`), nil
	}
	<-s.closed
	return nil, io.EOF
}

func (s *slowStream) Close() error { s.once.Do(func() { close(s.closed) }); return nil }

// A stream has no end. It counts as read when nothing came for a second, and not before.
func TestFollowUntilQuiet(t *testing.T) {
	for name, test := range map[string]struct {
		pauses []time.Duration
		want   int64
	}{
		"nothing":          {nil, 0},
		"pauses of 900 ms": {[]time.Duration{900 * time.Millisecond, 900 * time.Millisecond, 900 * time.Millisecond}, 3},
		"a pause of 2 s":   {[]time.Duration{100 * time.Millisecond, 2 * time.Second}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				env := drivertest.NewEnv(t, time.Now())
				reader, err := Fields{ID: "$.id"}.Open(env)
				if err != nil {
					t.Fatal(err)
				}
				stream := &slowStream{pauses: test.pauses, closed: make(chan struct{})}
				f := NewFollow("a stream", env, reader, Documents{}, func(context.Context) (Stream, error) { return stream, nil })
				if err := f.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				var seen atomic.Int64
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- f.Receive(ctx, func(*drivers.Delivery) { seen.Add(1) }) }()
				if err := f.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got := seen.Load(); got != test.want {
					t.Errorf("%d were read, want %d", got, test.want)
				}
				cancel()
				if err := f.Close(); err != nil {
					t.Error(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
