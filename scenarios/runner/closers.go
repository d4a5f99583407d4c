package runner

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// closeLimit bounds each close.
const closeLimit = 15 * time.Second

// limited is a close with the bound closeLimit.
func limited(close func(context.Context) error) func() error {
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		return close(ctx)
	}
}

// errLeftBehind says that a close did not end in time; the log names it.
var errLeftBehind = errors.New("closing did not end: something of this run is left behind")

// closers holds the close functions of a run, called in reverse order.
type closers struct {
	log   *slog.Logger
	funcs []func() error
}

func (c *closers) add(f func() error) { c.funcs = append(c.funcs, f) }

// close calls every function, each under a watchdog, and logs their errors. A function that does not end is logged and not
// waited for. The returned error is nil unless something was left behind.
func (c *closers) close() (left error) {
	for i := len(c.funcs) - 1; i >= 0; i-- {
		done := make(chan error, 1)
		f := c.funcs[i]
		go func() { done <- f() }()
		select {
		case err := <-done:
			if err != nil {
				c.log.Warn("closing failed", "error", err)
			}
		case <-time.After(closeLimit + time.Second):
			c.log.Error("closing did not end; something of this run is left behind")
			left = errLeftBehind
		}
	}
	c.funcs = nil
	return left
}
