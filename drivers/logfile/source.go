package logfile

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// pause is the time between two looks at the lines.
const pause = 20 * time.Millisecond

// follower hands over lines as they are written.
type follower interface {
	// poll hands over the new lines, and does not wait for more. drained says that nothing was left.
	poll(take func(line []byte, number int32, offset int64) error) (drained bool, err error)
	// unread says why not everything was read, after a poll that was not drained.
	unread() error
	close() error
}

// source follows lines.
type source struct {
	env    drivers.Env
	parser *parser
	place  string
	open   func() (follower, error)
	from   follower
	asked  chan chan error
	lines  atomic.Int64
}

var (
	_ drivers.Source = (*source)(nil)
	_ drivers.Gauger = (*source)(nil)
)

// Start implements drivers.Source.
func (s *source) Start(context.Context) (err error) {
	if s.from, err = s.open(); err != nil {
		return fmt.Errorf("%w: read %s: %w", drivers.ErrUnreachable, s.place, err)
	}
	return nil
}

// Receive implements drivers.Source.
func (s *source) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	var waiting chan error
	for {
		drained, err := s.from.poll(func(line []byte, number int32, offset int64) error { return s.take(line, number, offset, deliver) })
		if err != nil {
			err = fmt.Errorf("read %s: %w", s.place, err)
		}
		if waiting != nil && (drained || err != nil) {
			waiting <- err
			waiting = nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case waiting = <-s.asked:
		}
	}
}

// take delivers a line, if it is an effect.
func (s *source) take(line []byte, number int32, offset int64, deliver func(*drivers.Delivery)) error {
	s.lines.Add(1)
	rec, ok, err := s.parser.read(line)
	if err != nil || !ok {
		return err
	}
	at := s.env.Clock()
	if !rec.Time.IsZero() {
		at = min(at, rec.Time.Sub(s.env.Epoch()))
	}
	d := drivers.Delivery{ID: rec.ID, At: at, Wrong: rec.Wrong}
	if rec.Count == 1 {
		d.Position = drivers.PositionIn(number, offset)
	}
	for range rec.Count {
		deliver(&d)
	}
	return nil
}

// CatchUp implements drivers.Source.
func (s *source) CatchUp(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", s.from.unread(), ctx.Err())
	}
}

// Gauges implements drivers.Gauger.
func (s *source) Gauges(emit func(name string, value float64)) {
	emit("lines", float64(s.lines.Load()))
}

// Close implements drivers.Source.
func (s *source) Close() error {
	if s.from == nil {
		return nil
	}
	return s.from.close()
}
