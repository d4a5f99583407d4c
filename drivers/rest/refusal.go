package rest

import (
	"context"
	"errors"
	"os"
	"time"
)

// refusalWait bounds how long the body of an answer is awaited whose status is no success.
const refusalWait = time.Second

// readRefusal reads the body of an answer whose status is no success. Where the body does not end in time, or is longer than it
// may be, the answer stands by its status. Its time is that of its head.
func (r *reader) readRefusal(ctx context.Context) error {
	came := r.clock()
	bounded, cancel := context.WithTimeout(ctx, refusalWait)
	defer cancel()
	err := r.c.bound(ctx, bounded)
	if err == nil {
		err = r.readBody(bounded)
	}
	if isUnended(ctx, err) {
		r.a.last, r.a.came = true, max(came, 1)
		return nil
	}
	return err
}

// isUnended reports whether err means that a body was not awaited to its end.
func isUnended(ctx context.Context, err error) bool {
	late := errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
	return errors.Is(err, errTooLarge) || late && !errors.Is(ctx.Err(), context.Canceled)
}
