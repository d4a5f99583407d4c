package toxi

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wringer/faults"
)

// Fault is a fault on a link. It is in force when Inject returns, also on existing connections, and out of force when
// Heal returns. Then bytes that waited for latency or bandwidth go out, held bytes are delivered, and connections
// that lost bytes are reset. Neither call blocks on traffic. Timers of the runtime add to a latency: about 1 ms in an
// idle process, less in a busy one. A latency is never too short.
type Fault struct {
	config Config
	link   *Link
	seed   uint64
	lasts  time.Duration
	spread *spread
	tap    *tap // nil: the fault is not a tap
	aim    *faults.Aim

	mu       sync.Mutex // held during Inject and Heal
	injected atomic.Bool
	begun    time.Time
	flapping *flapping

	connections atomic.Int64
	met         [2]struct{ connections, bytes atomic.Int64 }
}

// Inject implements faults.Fault. It is idempotent.
func (f *Fault) Inject(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.injected.Load() {
		return nil
	}
	if err := f.aim.Take(ctx); err != nil {
		return err
	}
	f.begun = time.Now()
	if err := f.activate(); err != nil {
		return err
	}
	f.injected.Store(true)
	if f.config.Flap != nil {
		f.flapping = startFlapping(f.config.Flap, f.link.gone, f.activate, f.deactivate)
	}
	return nil
}

// Heal implements faults.Fault. Closing a link also removes its faults.
func (f *Fault) Heal(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.flapping != nil {
		f.flapping.end()
		f.flapping = nil
	}
	f.injected.Store(false)
	if err := f.deactivate(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// activate puts the fault in force, and deactivate takes it out.
func (f *Fault) activate() error {
	return f.link.changeFaults(func(in []*activeFault) []*activeFault {
		return append(slices.Clone(in), newActiveFault(f, f.link.serial.Load()))
	})
}

func (f *Fault) deactivate() error {
	return f.link.changeFaults(func(in []*activeFault) []*activeFault {
		return slices.DeleteFunc(slices.Clone(in), func(other *activeFault) bool { return other.Fault == f })
	})
}

// Bite implements faults.Fault. It counts the bytes and connections that were delayed, held, dropped, sliced, lost or
// slowed down, and the connections that were refused, reset or closed. A connection that was never made counts for
// the direction to the target.
func (f *Fault) Bite() faults.Bite {
	var met [2]faults.Met
	for d := range met {
		met[d] = faults.Met{Connections: f.met[d].connections.Load(), Bytes: f.met[d].bytes.Load()}
	}
	b := faults.Bite{
		Connections: f.connections.Load(), Bytes: met[toTarget].Bytes + met[fromTarget].Bytes,
		ToTarget: &met[toTarget], FromTarget: &met[fromTarget], Peer: f.aim.Peer().Name,
	}
	b.Bit = b.Connections > 0
	return b
}
