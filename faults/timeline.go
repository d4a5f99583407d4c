package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// Timeline injects and heals faults on schedule. Faults may overlap.
type Timeline struct {
	Plan []Planned
	// Clock is the run's clock: monotonic, negative during the warm-up.
	Clock func() time.Duration
	// Notify, when set, is told each step of each fault, one call at a time and before the step is taken where the step
	// is Injecting or Healing. The fault waits for it.
	Notify func(Event)
	// Admit, when set, is asked once, when the first fault is due: false leaves out all of them. The others wait for it.
	Admit func() bool
	// InjectWithin, HealWithin and ProbeWithin bound the calls into a fault; DefaultCallBound where they are 0. The
	// context of a call ends a tenth of its bound early, so that a call which obeys it is never taken for wedged.
	InjectWithin, HealWithin, ProbeWithin time.Duration
}

// DefaultCallBound is the time that a call into a fault may take.
const DefaultCallBound = 5 * time.Second

// ErrWedged says that a call into a fault did not return within its bound, although its context ended. What it broke, or
// healed, is unknown.
var ErrWedged = errors.New("did not return in time")

// Planned is one fault of the plan: injected at At, healed at At + For, on the run's clock.
type Planned struct {
	Name    string
	At, For time.Duration
	Fault   Fault
	// Behind are the places in the plan of faults that must have ended before this one is injected, however long their
	// healing takes. They are planned to end before it begins.
	Behind []int
}

// Span is the planned interval of the fault.
func (p Planned) Span() Span { return Span{Name: p.Name, Start: p.At, End: p.At + p.For} }

// Step is how far a fault has come.
type Step uint8

const (
	// Waiting: its time never came, nothing was broken.
	Waiting Step = iota
	// Injecting: it is about to be applied.
	Injecting
	// Injected: Inject returned, or was given up.
	Injected
	// Healing: it is about to be healed.
	Healing
	// Ended: healed and probed, or given up.
	Ended
)

func (s Step) String() string {
	return [...]string{"waiting", "injecting", "injected", "healing", "ended"}[s]
}

// Event is one step of one fault, with all that is known of it so far.
type Event struct {
	Step      Step
	Injection Injection
}

// Injection is what became of a planned fault. The stamps are times of the run's clock, each set from its step on.
type Injection struct {
	Name string
	// Index is the fault's place in the plan.
	Index int
	// Step is Waiting where the run was over before the fault's time, otherwise Ended once Run returned.
	Step Step
	// InjectAt and HealAt are when the calls began, InjectedAt and HealedAt when they were over. Between InjectAt and
	// HealedAt the fault may have been in force; between InjectedAt and HealAt it was, when InjectErr is nil.
	InjectAt, InjectedAt, HealAt, HealedAt time.Duration
	// Bite is the fault's own count. Nothing when the fault would not tell.
	Bite Bite
	// The errors of the three calls. A panic is an error here; a call that was given up is ErrWedged.
	InjectErr, HealErr, ProbeErr error
	// Wedged: at least one call was given up.
	Wedged bool
	// Healed: Heal and Probe both succeeded.
	Healed bool
}

// Err joins what went wrong, nil if nothing did.
func (in *Injection) Err() error {
	return errors.Join(in.InjectErr, in.HealErr, in.ProbeErr)
}

// Run carries the plan out and returns what became of each fault, in the order of the plan. When ctx ends, faults in force
// are healed at once and those whose time has not come are left out. Every fault on which Inject was called is healed on
// a context of its own before Run returns, even if Inject failed, panicked or is wedged; a wedged call itself is never
// waited for, and an Inject that ends after it was given up is healed once more.
func (t Timeline) Run(ctx context.Context) []Injection {
	r := &run{Timeline: t, injections: make([]Injection, len(t.Plan)), ended: make([]chan struct{}, len(t.Plan))}
	for i := range r.ended {
		r.ended[i] = make(chan struct{})
	}
	r.admitted = sync.OnceValue(func() bool { return t.Admit == nil || t.Admit() })
	var all sync.WaitGroup
	for i, p := range t.Plan {
		r.injections[i] = Injection{Name: p.Name, Index: i}
		all.Go(func() {
			defer close(r.ended[i])
			r.carry(ctx, p, &r.injections[i])
		})
	}
	all.Wait()
	return r.injections
}

// run is one Run. Each injection belongs to the goroutine of its fault.
type run struct {
	Timeline
	admitted   func() bool
	ended      []chan struct{} // closed when a fault has come to its end
	telling    sync.Mutex
	injections []Injection
}

// carry takes one fault through its life.
func (r *run) carry(ctx context.Context, p Planned, in *Injection) {
	if !r.until(ctx, p.At) || !r.behind(ctx, p) || !r.admitted() || ctx.Err() != nil {
		return
	}
	r.inject(ctx, p, in)
	// A fault that did not take is healed at once: part of it may be in force.
	if in.InjectErr == nil {
		r.until(ctx, p.At+p.For)
	}
	r.heal(context.WithoutCancel(ctx), p, in)
}

// behind waits for the faults that must have ended; false when ctx ended first.
func (r *run) behind(ctx context.Context, p Planned) bool {
	for _, i := range p.Behind {
		select {
		case <-r.ended[i]:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (r *run) inject(ctx context.Context, p Planned, in *Injection) {
	in.InjectAt = r.Clock()
	r.tell(in, Injecting)
	in.InjectErr = r.call(ctx, in, call{
		name: "inject", of: p.Fault, bound: r.InjectWithin, do: p.Fault.Inject,
		late: func() { r.healLate(context.WithoutCancel(ctx), p.Fault) },
	})
	in.InjectedAt = r.Clock()
	r.tell(in, Injected)
}

func (r *run) heal(ctx context.Context, p Planned, in *Injection) {
	in.HealAt = r.Clock()
	r.tell(in, Healing)
	in.HealErr = r.call(ctx, in, call{name: "heal", of: p.Fault, bound: r.HealWithin, do: p.Fault.Heal})
	in.HealedAt = r.Clock()
	if in.HealErr == nil {
		in.ProbeErr = r.call(ctx, in, call{name: "probe", of: p.Fault, bound: r.ProbeWithin, do: p.Fault.Probe})
	}
	in.Healed = in.HealErr == nil && in.ProbeErr == nil
	in.Bite = r.bite(ctx, p, in)
	r.tell(in, Ended)
}

// bite reads the fault's count. A fault that panics or is stuck tells nothing, which reads as "never bit".
func (r *run) bite(ctx context.Context, p Planned, in *Injection) Bite {
	var b Bite
	read := func(context.Context) error { b = p.Fault.Bite(); return nil }
	if r.call(ctx, in, call{name: "read the bite of", bound: r.ProbeWithin, do: read}) != nil {
		return Bite{}
	}
	return b
}

// healLate heals after an Inject that was given up and ended after all. Nobody waits for it: the run may be over.
func (r *run) healLate(ctx context.Context, f Fault) {
	bound := cmp.Or(r.HealWithin, DefaultCallBound)
	if p, ok := f.(Slow); ok {
		bound = max(bound, p.Patience())
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	_ = guard(ctx, f.Heal)
}

// until waits for a time of the run's clock; false when ctx ended first.
func (r *run) until(ctx context.Context, at time.Duration) bool {
	for ctx.Err() == nil {
		wait := at - r.Clock()
		if wait <= 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return false
}

func (r *run) tell(in *Injection, s Step) {
	in.Step = s
	if r.Notify == nil {
		return
	}
	r.telling.Lock()
	defer r.telling.Unlock()
	r.Notify(Event{Step: s, Injection: *in})
}

// call is one call into a fault.
type call struct {
	name  string
	of    Fault
	bound time.Duration
	do    func(context.Context) error
	late  func() // when it ends after it was given up; may be nil
}

// call makes c under a watchdog.
func (r *run) call(ctx context.Context, in *Injection, c call) error {
	bound := cmp.Or(c.bound, DefaultCallBound)
	if p, ok := c.of.(Slow); ok {
		bound = max(bound, p.Patience())
	}
	ctx, cancel := context.WithTimeout(ctx, bound-bound/10)
	defer cancel()
	watchdog := time.NewTimer(bound)
	defer watchdog.Stop()

	ended, given := make(chan error), make(chan struct{})
	go func() {
		err := guard(ctx, c.do)
		select {
		case ended <- err:
		case <-given:
			if c.late != nil {
				c.late()
			}
		}
	}()
	var err error
	select {
	case err = <-ended:
	case <-watchdog.C:
		close(given)
		in.Wedged, err = true, fmt.Errorf("%w: given up after %v", ErrWedged, bound)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.name, in.Name, err)
	}
	return nil
}

// guard turns a panic into an error.
func guard(ctx context.Context, do func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do(ctx)
}
