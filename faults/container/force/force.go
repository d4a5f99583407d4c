// Package force carries a fault on containers through its time: it notes the undo in the journal, puts the fault in force, looks
// after it, and undoes it.
package force

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wringer/faults"
)

// Mechanism breaks something and mends it. Its calls come one at a time, except Bite.
type Mechanism interface {
	// Prepare looks at what will be broken, and returns the journal's entry by which another process mends it.
	Prepare(ctx context.Context) (undo any, err error)
	// Break breaks. If it fails, Mend is called.
	Break(ctx context.Context) error
	// Look is called several times a second while the fault is in force, and once more before Mend. It counts what the fault met,
	// and renews what others undid.
	Look(ctx context.Context)
	// Mend undoes Break. It is idempotent.
	Mend(ctx context.Context) error
	// Whole returns nil if nothing of the fault is left.
	Whole(ctx context.Context) error
	// Bite is faults.Fault's. Safe for concurrent use.
	Bite() faults.Bite
}

// Fault is a fault by a mechanism.
type Fault struct {
	words, kind string
	journal     *faults.Journal
	mechanism   Mechanism
	turn        faults.Turn // held while a call is in progress

	// Guarded by turn.
	due    bool // there is something to undo
	done   func() error
	stop   context.CancelFunc // ends the looks
	looked sync.WaitGroup

	mu     sync.Mutex
	cancel context.CancelFunc // ends the Inject in progress
}

// New makes the fault that the words describe. kind is that of its entries in the journal.
func New(words, kind string, journal *faults.Journal, m Mechanism) *Fault {
	return &Fault{words: words, kind: kind, journal: journal, mechanism: m, turn: faults.NewTurn()}
}

const (
	// lookEvery is the interval between two looks.
	lookEvery = 200 * time.Millisecond
	// patience bounds a call into an engine.
	patience = 20 * time.Second
)

// Patience implements faults.Slow: an engine that is busy takes its time.
func (f *Fault) Patience() time.Duration { return patience }

func (f *Fault) lock(ctx context.Context) error {
	if err := f.turn.Lock(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.words, err)
	}
	return nil
}

// Inject implements faults.Fault. The journal holds the undo before anything breaks.
func (f *Fault) Inject(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.cancel = cancel
	f.mu.Unlock()
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if f.due {
		return nil
	}
	undo, err := f.mechanism.Prepare(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", f.words, err)
	}
	if f.done, err = f.journal.Due(f.kind, f.words, undo); err != nil {
		return err
	}
	f.due = true
	if err := f.mechanism.Break(ctx); err != nil {
		mend, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
		return errors.Join(fmt.Errorf("%s: %w", f.words, err), f.mend(mend))
	}
	f.keepLooking()
	return nil
}

// mend undoes the fault. If it fails, the fault stays due, in the journal too.
func (f *Fault) mend(ctx context.Context) error {
	if err := f.mechanism.Mend(ctx); err != nil {
		return fmt.Errorf("heal %s: %w", f.words, err)
	}
	f.due = false
	return f.done()
}

func (f *Fault) keepLooking() {
	ctx, cancel := context.WithCancel(context.Background())
	f.stop = cancel
	f.looked.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				f.mechanism.Look(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// Abandon ends the looks and leaves everything broken, as a run does that is killed. It blocks while a look is in progress. Tests of
// undo need it.
func (f *Fault) Abandon() {
	if f.lock(context.Background()) != nil {
		return // the background never ends
	}
	defer f.turn.Unlock()
	f.endLooks()
}

// endLooks reports whether there were looks to end.
func (f *Fault) endLooks() bool {
	if f.stop == nil {
		return false
	}
	f.stop()
	f.looked.Wait()
	f.stop = nil
	return true
}

// Heal implements faults.Fault.
func (f *Fault) Heal(ctx context.Context) error {
	f.mu.Lock()
	cancel := f.cancel
	f.mu.Unlock()
	if cancel != nil {
		cancel()
	}
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if !f.due {
		return nil
	}
	if f.endLooks() {
		f.mechanism.Look(ctx)
	}
	return f.mend(ctx)
}

// Probe implements faults.Fault.
func (f *Fault) Probe(ctx context.Context) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.turn.Unlock()
	if f.due {
		return fmt.Errorf("%s is in force", f.words)
	}
	if err := f.mechanism.Whole(ctx); err != nil {
		return fmt.Errorf("%w: %s: %w", faults.ErrLeaked, f.words, err)
	}
	return nil
}

// Bite implements faults.Fault.
func (f *Fault) Bite() faults.Bite { return f.mechanism.Bite() }

// Lapse implements faults.Watched: a mechanism that may have been undone by others implements it too.
func (f *Fault) Lapse() error {
	if w, ok := f.mechanism.(interface{ Lapse() error }); ok {
		return w.Lapse()
	}
	return nil
}
