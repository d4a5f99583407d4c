package part

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wringer/faults"
)

// Fault takes a part down and brings it back.
type Fault struct {
	name                string
	part                faults.Part
	takeDown, bringBack func(context.Context) error
	every               time.Duration
	downFor             time.Duration // how long each strike of `every` keeps the part down
	uncounted           string        // why the part cannot count all that it meets; empty: it can

	turn faults.Turn // held while a call into the part is in progress

	mu          sync.Mutex
	wanted      bool               // between Inject and Heal
	cancel      context.CancelFunc // ends the Inject in progress
	stopStrikes context.CancelFunc // ends the strikes; a concurrent Inject has its own cancel
	loop        chan struct{}      // closed when the strikes have ended; nil without `every`
	strikeErr   error              // the first strike that failed
	counting    bool
	metAtStart  int64 // what the part had met when the fault began
	metBefore   int64 // what the part met in earlier injections
}

// bringBackBound bounds a bringBack that runs without a waiting caller.
const bringBackBound = 5 * time.Second

var errHealed = errors.New("healed before it took effect")

// Inject implements faults.Fault. It is idempotent. With `every` it returns after the first strike. The other strikes
// follow until Heal, even if ctx ends.
func (f *Fault) Inject(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.begin(cancel)
	if err := f.turn.Lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if !f.startCounting() {
		return errHealed
	}
	if err := f.takeDown(ctx); err != nil {
		return f.undo(ctx, fmt.Errorf("%s: %w", f.name, err))
	}
	if !f.isWanted() {
		return f.undo(ctx, errHealed)
	}
	if f.every == 0 {
		return nil
	}
	f.keepDown(ctx)
	if err := f.bringBack(ctx); err != nil {
		return f.undo(ctx, fmt.Errorf("%s: %w", f.name, err))
	}
	f.keepStriking(ctx)
	return nil
}

// keepDown waits for the length of a strike, or until ctx ends.
func (f *Fault) keepDown(ctx context.Context) {
	if f.downFor <= 0 {
		return
	}
	timer := time.NewTimer(f.downFor)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (f *Fault) begin(cancel context.CancelFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted, f.cancel = true, cancel
}

// startCounting notes what the part had met before. It returns false if Heal came first.
func (f *Fault) startCounting() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wanted && !f.counting {
		f.counting, f.metAtStart = true, f.part.Met()
	}
	return f.wanted
}

func (f *Fault) isWanted() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wanted
}

// undo brings the part back without Heal, which may have stopped waiting. It returns why, joined with its own error.
func (f *Fault) undo(ctx context.Context, why error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(bringBackBound, f.Patience()))
	defer cancel()
	if err := f.bringBack(ctx); err != nil {
		return errors.Join(why, fmt.Errorf("undo %s: %w", f.name, err))
	}
	return why
}

// keepStriking strikes once per period until Heal.
func (f *Fault) keepStriking(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	loop := make(chan struct{})
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.wanted || f.loop != nil {
		cancel()
		return
	}
	f.stopStrikes, f.loop = cancel, loop
	go func() {
		defer close(loop)
		tick := time.NewTicker(f.every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.strikeOnce(ctx)
			case <-ctx.Done():
				return
			}
		}
	}()
}

// strikeOnce takes the part down and brings it back.
func (f *Fault) strikeOnce(ctx context.Context) {
	if f.turn.Lock(ctx) != nil {
		return
	}
	defer f.turn.Unlock()
	err := f.takeDown(ctx)
	if err == nil {
		f.keepDown(ctx)
	}
	// The part is brought back even after Heal: Heal may give up before this ends.
	err = f.undo(ctx, err)
	if err == nil || ctx.Err() != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.strikeErr == nil {
		f.strikeErr = fmt.Errorf("%s: a strike failed: %w", f.name, err)
	}
}

// Heal implements faults.Fault. It waits for the call into the part that is in progress. If ctx ends first, a running
// Inject undoes itself when it returns. With `every`, Heal returns the error of a failed strike: the fault was not as
// planned.
func (f *Fault) Heal(ctx context.Context) error {
	loop := f.stop()
	if loop != nil {
		select {
		case <-loop:
		case <-ctx.Done():
			return fmt.Errorf("heal %s: %w", f.name, ctx.Err())
		}
	}
	if err := f.turn.Lock(ctx); err != nil {
		return fmt.Errorf("heal %s: %w", f.name, err)
	}
	defer f.turn.Unlock()
	if err := f.bringBack(ctx); err != nil {
		return fmt.Errorf("heal %s: %w", f.name, err)
	}
	return f.stopCounting()
}

// stop ends the call and the strikes in progress.
func (f *Fault) stop() (loop chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wanted = false
	for _, cancel := range []context.CancelFunc{f.cancel, f.stopStrikes} {
		if cancel != nil {
			cancel()
		}
	}
	return f.loop
}

// stopCounting adds what the part met, after the part came back.
func (f *Fault) stopCounting() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counting {
		f.metBefore += f.part.Met() - f.metAtStart
		f.counting = false
	}
	err := f.strikeErr
	f.loop, f.strikeErr = nil, nil
	return err
}

// Probe implements faults.Fault.
func (f *Fault) Probe(ctx context.Context) error {
	f.mu.Lock()
	striking := f.loop != nil
	f.mu.Unlock()
	if striking {
		return fmt.Errorf("%s is in force", f.name)
	}
	if err := f.part.Ready(ctx); err != nil {
		return fmt.Errorf("probe after %s: %w", f.name, err)
	}
	return nil
}

// Patience implements faults.Slow: the part's own patience.
func (f *Fault) Patience() time.Duration {
	if p, ok := f.part.(faults.Slow); ok {
		return p.Patience()
	}
	return 0
}

// Lapse implements faults.Watched: as the part has it.
func (f *Fault) Lapse() error {
	if w, ok := f.part.(faults.Watched); ok {
		return w.Lapse()
	}
	return nil
}

// Bite implements faults.Fault. A part counts what it met as a whole, not by connections and bytes.
func (f *Fault) Bite() faults.Bite {
	f.mu.Lock()
	defer f.mu.Unlock()
	met := f.metBefore
	if f.counting {
		met += f.part.Met() - f.metAtStart
	}
	b := faults.Bite{Bit: met > 0, Connections: -1, Bytes: -1}
	if !b.Bit {
		b.Unmeasured = f.uncounted
	}
	return b
}
