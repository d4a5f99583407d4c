package runner

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"wringer/scenarios"
)

// closeLimit bounds each close, but for that of a scenarios.SlowToClose.
const closeLimit = 15 * time.Second

// limitOf bounds the close of c.
func limitOf(c any) time.Duration {
	if slow, ok := c.(scenarios.SlowToClose); ok {
		return max(slow.CloseWithin(), closeLimit)
	}
	return closeLimit
}

// closer is a close with its bound.
type closer struct {
	close func() error
	limit time.Duration
}

// errLeftBehind says that a close did not end in time; the log names it.
var errLeftBehind = errors.New("closing did not end: something of this run is left behind")

// closers holds the close functions of a run, called in reverse order.
type closers struct {
	log   *slog.Logger
	funcs []closer
}

func (c *closers) add(f func() error) { c.funcs = append(c.funcs, closer{f, closeLimit}) }

// limited adds a close that gets its bound by its context.
func (c *closers) limited(of interface{ Close(context.Context) error }) {
	limit := limitOf(of)
	c.funcs = append(c.funcs, closer{func() error {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		return of.Close(ctx)
	}, limit})
}

// close calls every function, each under a watchdog, and logs their errors. A function that does not end is logged and not
// waited for. The returned error is nil unless something was left behind.
func (c *closers) close() (left error) {
	for i := len(c.funcs) - 1; i >= 0; i-- {
		done := make(chan error, 1)
		f := c.funcs[i]
		go func() { done <- f.close() }()
		select {
		case err := <-done:
			if err != nil {
				c.log.Warn("closing failed", "error", err)
			}
		case <-time.After(f.limit + time.Second):
			c.log.Error("closing did not end; something of this run is left behind")
			left = errLeftBehind
		}
	}
	c.funcs = nil
	return left
}
