package effect

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"wringer/drivers"
)

// Readings says how often a place is read.
type Readings struct {
	Every   time.Duration `yaml:"every" jsonschema_description:"Read the place this often too, which dates each effect to within the interval. Counts come from the last reading alone. Default: once, when the drain ends."`
	Timeout time.Duration `yaml:"timeout" jsonschema_description:"The longest that one reading may take. Default 30s."`
}

const (
	defaultTimeout = 30 * time.Second
	leastEvery     = 10 * time.Millisecond
)

// Check reports problems with the times.
func (r *Readings) Check(problem func(field, message string)) {
	if r.Every != 0 && r.Every < leastEvery {
		problem("every", fmt.Sprintf("%s is too often: write %s or more", r.Every, leastEvery))
	}
	if r.Timeout < 0 {
		problem("timeout", "must be more than 0")
	}
}

func (r *Readings) timeout() time.Duration {
	if r.Timeout == 0 {
		return defaultTimeout
	}
	return r.Timeout
}

// Limits says what a place cannot tell that is read whole.
func (r *Readings) Limits(f *Fields) drivers.SourceLimits {
	limits := drivers.SourceLimits{
		Order:      "it is read whole, and a reading knows no order",
		Redelivery: "it is read whole, and holds effects, not deliveries",
	}
	if r.Every == 0 && f.Time == "" {
		limits.Times = "it is read once, after the drain: give it every, as in every: 1s, or time, the field that holds the time of the effect"
	}
	return limits
}

// Whole reads a place whole.
type Whole interface {
	// Read reads the place once, and calls item for each item. An error, also one of item, means that the place was not read whole.
	Read(ctx context.Context, item func(Field) error) error
	Close() error
}

// Piecewise is implemented by places that may be read in pieces, one after the other. Between two of them the place may change, and
// items may move from one to the other.
type Piecewise interface {
	// Pieces is the number of pieces of the last Read.
	Pieces() int
}

// Snapshot is the source of a place that is read whole. Counts come from the last reading, which CatchUp asks for. Earlier readings
// only date effects: their deliveries are provisional.
type Snapshot struct {
	place    string
	env      drivers.Env
	reader   *Reader
	readings Readings
	whole    Whole
	asked    chan chan error
	seed     maphash.Seed
	// foreign items stood there at the start: they are not of this run, whoever made them.
	foreign int64
	before  time.Duration // the begin of the last reading
	counted bool          // a last reading was delivered
	failed  atomic.Int64  // readings that failed and were not the last
}

var (
	_ drivers.Source  = (*Snapshot)(nil)
	_ drivers.Patient = (*Snapshot)(nil)
	_ drivers.Gauger  = (*Snapshot)(nil)
)

// NewSnapshot makes the source. It owns whole.
func NewSnapshot(place string, env drivers.Env, reader *Reader, readings Readings, whole Whole) *Snapshot {
	return &Snapshot{place: place, env: env, reader: reader, readings: readings, whole: whole, asked: make(chan chan error), seed: maphash.MakeSeed()}
}

// SnapshotGauges are the names of its gauges.
func SnapshotGauges() []string { return []string{"failed_readings"} }

// Gauges implements drivers.Gauger.
func (s *Snapshot) Gauges(emit func(name string, value float64)) {
	emit("failed_readings", float64(s.failed.Load()))
}

// Start implements drivers.Source. It reads the place once: what cannot be read is told before anything is sent. An
// error wraps drivers.ErrUnreachable or drivers.ErrConfig, unless ctx ended.
func (s *Snapshot) Start(ctx context.Context) error {
	before := s.env.Clock()
	_, err := s.read(ctx, func(r *Record) {
		if !r.Ours {
			s.foreign++
		}
	})
	switch {
	case errors.Is(err, drivers.ErrUnreachable), errors.Is(err, drivers.ErrConfig), ctx.Err() != nil && err != nil:
		return fmt.Errorf("read %s: %w", s.place, err)
	case err != nil: // it answered, and is not what the scenario takes it for
		return fmt.Errorf("read %s: %w: %w", s.place, drivers.ErrConfig, err)
	}
	s.before = before
	return nil
}

// sum tells two readings apart: the number of their items, and a hash of those of this run, in any order.
type sum struct {
	items int
	ours  uint64
}

func (s *sum) add(seed maphash.Seed, r *Record) {
	s.items++
	if !r.Ours {
		return
	}
	var h maphash.Hash
	h.SetSeed(seed)
	h.Write(r.ID)
	fmt.Fprintf(&h, " %d %s", r.Count, r.Wrong)
	s.ours += h.Sum64()
}

// read reads the place, within its time.
func (s *Snapshot) read(ctx context.Context, take func(*Record)) (shown sum, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.readings.timeout())
	defer cancel()
	err = s.whole.Read(ctx, func(f Field) error {
		rec, err := s.reader.Read(f)
		if err != nil {
			return err
		}
		shown.add(s.seed, &rec)
		take(&rec)
		return nil
	})
	return shown, err
}

// Receive implements drivers.Source.
func (s *Snapshot) Receive(ctx context.Context, deliver func(*drivers.Delivery)) error {
	var tick <-chan time.Time
	if s.readings.Every > 0 {
		ticker := time.NewTicker(s.readings.Every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
			if _, err := s.deliver(ctx, deliver, true); err != nil && ctx.Err() == nil {
				s.failed.Add(1)
			}
		case answer := <-s.asked:
			tick = nil // nothing that is read later counts
			answer <- s.last(ctx, deliver)
		}
	}
}

// last makes the reading that counts. It is tried again while nothing of it was delivered, and while the place changes under it.
func (s *Snapshot) last(ctx context.Context, deliver func(*drivers.Delivery)) error {
	ctx, cancel := context.WithTimeout(ctx, s.readings.timeout())
	defer cancel()
	for {
		if s.counted {
			deliver(&drivers.Delivery{Anew: true, At: s.env.Clock()})
			s.counted = false
		}
		shown, err := s.deliver(ctx, deliver, false)
		s.counted = shown.items > 0
		if err == nil {
			err = s.steady(ctx, shown)
		}
		if err == nil || s.counted && !errors.Is(err, errMoved) && !errors.Is(err, ErrAgain) || errors.Is(err, drivers.ErrConfig) {
			return err
		}
		const pause = 200 * time.Millisecond
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// ErrAgain marks the error of a reading that another reading may not meet, although this one delivered something.
var ErrAgain = errors.New("not read whole")

var errMoved = errors.New("it changed while it was read in pages, so items may have been missed or read twice; let the drain be longer, or let pages be cut at an item in place of a number")

// steady reads a place again that was read in pieces. It was read whole only if it shows the same once more.
func (s *Snapshot) steady(ctx context.Context, shown sum) error {
	if p, ok := s.whole.(Piecewise); !ok || p.Pieces() < 2 {
		return nil
	}
	again, err := s.read(ctx, func(*Record) {})
	switch {
	case err != nil:
		return fmt.Errorf("it was read in pages, and a second time to see whether it had changed: %w", err)
	case again.ours != shown.ours:
		return errMoved
	}
	return nil
}

// deliver makes a reading and delivers it.
func (s *Snapshot) deliver(ctx context.Context, deliver func(*drivers.Delivery), provisional bool) (shown sum, err error) {
	foreign := s.foreign
	before := s.before
	begin := s.env.Clock()
	shown, err = s.read(ctx, func(r *Record) {
		d := drivers.Delivery{ID: r.ID, At: s.at(r, before, s.env.Clock()), Wrong: r.Wrong, Provisional: provisional}
		if !r.Ours {
			if foreign--; foreign >= 0 || provisional {
				return
			}
		}
		for range r.Count {
			deliver(&d)
		}
	})
	if err == nil { // what came while the place was read may be missing
		s.before = begin
	}
	return shown, err
}

// at is the time of an effect that this reading shows: the time that it carries, within the two readings, or that of this reading.
func (s *Snapshot) at(r *Record, before, now time.Duration) time.Duration {
	if r.Time.IsZero() {
		return now
	}
	return min(max(r.Time.Sub(s.env.Epoch()), before), now)
}

// CatchUp implements drivers.Source: it asks for the last reading.
func (s *Snapshot) CatchUp(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		if err != nil {
			return fmt.Errorf("the last reading of %s failed: %w", s.place, err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// CatchUpLimit implements drivers.Patient.
func (s *Snapshot) CatchUpLimit() time.Duration { return s.readings.timeout() + time.Second }

// Close implements drivers.Source.
func (s *Snapshot) Close() error { return s.whole.Close() }
