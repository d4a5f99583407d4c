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
	// Notify, when set, is called for each step of each fault, one call at a time. It is called before Injecting and
	// Healing start. The fault waits for it.
	Notify func(Event)
	// Admit, when set, is called once, when the first fault is due. If it returns false, no fault is injected. The other
	// faults wait for it.
	Admit func() bool
	// InjectWithin, HealWithin and ProbeWithin bound the calls into a fault; 0 means DefaultCallBound. The context of a
	// call ends a tenth of its bound early, so that a call that obeys its context is never taken for wedged.
	InjectWithin, HealWithin, ProbeWithin time.Duration
}

// DefaultCallBound is the default bound of a call into a fault.
const DefaultCallBound = 5 * time.Second

// ErrWedged says that a call into a fault did not return within its bound, although its context ended. It is unknown what
// the call broke or healed.
var ErrWedged = errors.New("did not return in time")

// Planned is one fault of the plan: injected at At, healed at At + For, on the run's clock.
type Planned struct {
	Name    string
	At, For time.Duration
	Fault   Fault
	// Behind lists the indexes in the plan of faults that must have ended before this one is injected, however long they
	// take to heal. They are planned to end before it begins.
	Behind []int
}

// Span is the planned interval of the fault.
func (p Planned) Span() Span { return Span{Name: p.Name, Start: p.At, End: p.At + p.For} }

// Step is how far a fault has progressed.
type Step uint8

const (
	// Waiting: its time has not come, and nothing was broken.
	Waiting Step = iota
	// Injecting: Inject is about to be called.
	Injecting
	// Injected: Inject returned, or was given up.
	Injected
	// Healing: Heal is about to be called.
	Healing
	// Ended: healed and probed, or given up.
	Ended
)

func (s Step) String() string {
	return [...]string{"waiting", "injecting", "injected", "healing", "ended"}[s]
}

// Event is one step of one fault, with everything known of it so far.
type Event struct {
	Step      Step
	Injection Injection
}

// Injection is what became of a planned fault. Its times are on the run's clock; each is set from its step on.
type Injection struct {
	Name string
	// Index is the fault's index in the plan.
	Index int
	// Step is Waiting if the run ended before the fault's time. Otherwise it is Ended once Run returned.
	Step Step
	// InjectAt and HealAt are when the calls began; InjectedAt and HealedAt are when they ended. Between InjectAt and
	// HealedAt the fault may have been in force. Between InjectedAt and HealAt it was, if InjectErr is nil.
	InjectAt, InjectedAt, HealAt, HealedAt time.Duration
	// Bite is the fault's own count. It is empty if the fault gave no count.
	Bite Bite
	// The errors of the three calls. A panic counts as an error. A call that was given up is ErrWedged.
	InjectErr, HealErr, ProbeErr error
	// LapseErr says that the fault was not in force for a part of its time: see Watched.
	LapseErr error
	// Wedged: at least one call was given up.
	Wedged bool
	// Healed: Heal and Probe both succeeded.
	Healed bool
}

// Err joins what went wrong, nil if nothing did.
func (in *Injection) Err() error {
	return errors.Join(in.InjectErr, in.HealErr, in.ProbeErr, in.LapseErr)
}

// Run carries out the plan, and returns what became of each fault, in the order of the plan. When ctx ends, faults in force are
// healed at once, and the remaining faults are left out. Every fault on which Inject was called is healed before Run returns, on
// a context of its own. So is one whose Inject failed, panicked or is wedged. Run does not wait for a wedged call. An Inject that
// returns after it was given up is healed once more.
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
			r.runFault(ctx, p, &r.injections[i])
		})
	}
	all.Wait()
	return r.injections
}

// run is one call of Run. Each injection belongs to the goroutine of its fault.
type run struct {
	Timeline
	admitted   func() bool
	ended      []chan struct{} // closed when a fault has ended
	emitting   sync.Mutex
	injections []Injection
}

// runFault takes one fault through its steps.
func (r *run) runFault(ctx context.Context, p Planned, in *Injection) {
	if !r.waitUntil(ctx, p.At) || !r.waitBehind(ctx, p) || !r.admitted() || ctx.Err() != nil {
		return
	}
	r.inject(ctx, p, in)
	// A fault whose Inject failed is healed at once: part of it may be in force.
	if in.InjectErr == nil {
		r.waitUntil(ctx, p.At+p.For)
	}
	r.heal(context.WithoutCancel(ctx), p, in)
}

// waitBehind waits for the faults that must have ended. It returns false if ctx ends first.
func (r *run) waitBehind(ctx context.Context, p Planned) bool {
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
	r.emit(in, Injecting)
	in.InjectErr = r.call(ctx, in, call{
		name: "inject", of: p.Fault, bound: r.InjectWithin, do: p.Fault.Inject,
		late: func() { r.healLate(context.WithoutCancel(ctx), p.Fault) },
	})
	in.InjectedAt = r.Clock()
	r.emit(in, Injected)
}

func (r *run) heal(ctx context.Context, p Planned, in *Injection) {
	in.HealAt = r.Clock()
	r.emit(in, Healing)
	in.HealErr = r.call(ctx, in, call{name: "heal", of: p.Fault, bound: r.HealWithin, do: p.Fault.Heal})
	in.HealedAt = r.Clock()
	if in.HealErr == nil {
		in.ProbeErr = r.call(ctx, in, call{name: "probe", of: p.Fault, bound: r.ProbeWithin, do: p.Fault.Probe})
	}
	in.Healed = in.HealErr == nil && in.ProbeErr == nil
	if w, ok := p.Fault.(Watched); ok && in.InjectErr == nil {
		in.LapseErr = r.call(ctx, in, call{name: "fault", of: p.Fault, bound: r.ProbeWithin, do: func(context.Context) error { return w.Lapse() }})
	}
	in.Bite = r.bite(ctx, p, in)
	r.emit(in, Ended)
}

// bite reads the fault's count. A fault that panics or is stuck gives none, which means that it touched no traffic.
func (r *run) bite(ctx context.Context, p Planned, in *Injection) Bite {
	var b Bite
	read := func(context.Context) error { b = p.Fault.Bite(); return nil }
	if r.call(ctx, in, call{name: "read the bite of", bound: r.ProbeWithin, do: read}) != nil {
		return Bite{}
	}
	return b
}

// healLate heals after an Inject that was given up and returned after all. Nobody waits for it: the run may have ended.
func (r *run) healLate(ctx context.Context, f Fault) {
	bound := cmp.Or(r.HealWithin, DefaultCallBound)
	if p, ok := f.(Slow); ok {
		bound = max(bound, p.Patience())
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	_ = guard(ctx, f.Heal)
}

// waitUntil waits for a time of the run's clock. It returns false if ctx ends first.
func (r *run) waitUntil(ctx context.Context, at time.Duration) bool {
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

func (r *run) emit(in *Injection, s Step) {
	in.Step = s
	if r.Notify == nil {
		return
	}
	r.emitting.Lock()
	defer r.emitting.Unlock()
	r.Notify(Event{Step: s, Injection: *in})
}

// call is one call into a fault.
type call struct {
	name  string
	of    Fault
	bound time.Duration
	do    func(context.Context) error
	late  func() // called if the call ends after it was given up; may be nil
}

// call makes c with a watchdog.
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
