package effect

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// Stream hands over documents as they come.
type Stream interface {
	// Next blocks until a document comes. An error, also that of an end, means that the stream tells no more.
	Next() ([]byte, error)
	Close() error
}

const (
	// quiet is the time without a document after which a stream counts as read.
	quiet = time.Second
	// slice is a part of quiet. Of a slice that lasted too long, nothing is known: this process may have stood still.
	slice   = quiet / 20
	tooLong = quiet / 4
)

// Follow is the source of a stream that the target sends. A stream that ends is not opened again: what was missed is not known. It
// has no end by which to tell that everything came, so the drain is the wait for it.
type Follow struct {
	place  string
	env    drivers.Env
	reader *Reader
	paths  Documents
	open   func(ctx context.Context) (Stream, error)

	stream Stream
	cancel context.CancelFunc
	last   atomic.Int64 // when the last document came
	ready  chan struct{}
	close  sync.Once
}

var _ drivers.Source = (*Follow)(nil)

// NewFollow makes the source. open opens the stream, which ends with its ctx.
func NewFollow(place string, env drivers.Env, reader *Reader, paths Documents, open func(ctx context.Context) (Stream, error)) *Follow {
	return &Follow{place: place, env: env, reader: reader, paths: paths, open: open, ready: make(chan struct{})}
}

// FollowLimits says what a followed stream cannot tell.
func FollowLimits() drivers.SourceLimits {
	return drivers.SourceLimits{Redelivery: "a stream holds effects, not deliveries"}
}

// Start implements drivers.Source.
func (f *Follow) Start(ctx context.Context) (err error) {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer context.AfterFunc(ctx, cancel)() // the opening ends with ctx, the stream does not
	if f.stream, err = f.open(lasting); err != nil {
		cancel()
		return fmt.Errorf("follow %s: %w", f.place, err)
	}
	f.cancel = cancel
	return nil
}

// Receive implements drivers.Source.
func (f *Follow) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	defer context.AfterFunc(ctx, f.cancel)()
	close(f.ready)
	for {
		doc, err := f.stream.Next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s ended before the run did: %w", f.place, err)
		}
		f.last.Store(int64(f.env.Clock()))
		field, err := f.paths.Fields(doc)
		if err != nil {
			return fmt.Errorf("%s: %w", f.place, err)
		}
		rec, err := f.reader.Read(field)
		if err != nil {
			return fmt.Errorf("%s: %w", f.place, err)
		}
		d := drivers.Delivery{ID: rec.ID, At: time.Duration(f.last.Load()), Wrong: rec.Wrong}
		for range rec.Count {
			deliver(&d)
		}
		f.last.Store(int64(f.env.Clock()))
	}
}

// CatchUp implements drivers.Source.
func (f *Follow) CatchUp(ctx context.Context) error {
	select {
	case <-f.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	for since := f.env.Clock(); ; {
		began := f.env.Clock()
		select {
		case <-time.After(slice):
		case <-ctx.Done():
			return fmt.Errorf("%s sent on and on: %w", f.place, ctx.Err())
		}
		now := f.env.Clock()
		if last := time.Duration(f.last.Load()); last > since || now-began > tooLong {
			since = now
		}
		if now-since >= quiet {
			return nil
		}
	}
}

// Close implements drivers.Source.
func (f *Follow) Close() (err error) {
	f.close.Do(func() {
		if f.cancel != nil {
			f.cancel()
			err = f.stream.Close()
		}
	})
	return err
}
