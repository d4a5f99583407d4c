package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/moby/moby/client"

	"wringer/faults/container/disk"
	"wringer/faults/container/packets"
	"wringer/faults/container/sidecar"
	"wringer/faults/procfs"
)

// Life is one life of a container within reach of this process: on this machine, or by a sidecar. It is safe for concurrent use.
type Life struct {
	// Began is when the container started, by the engine's clock.
	Began time.Time

	pid   int    // of its first process on this machine; 0: it is reached by side
	start uint64 // of that process
	calls sidecar.Calls
	side  *beside
}

// Over says that the life has ended, or that the container is out of reach.
func (l Life) Over() bool {
	if l.side != nil {
		return l.side.Over()
	}
	return l.start == 0 || procfs.Start(l.pid) != l.start
}

// Do makes a call of the packages packets and disk, or of this one, in the container's namespaces. output may be nil.
func (l Life) Do(ctx context.Context, call string, input, output any) error {
	switch {
	case l.side != nil:
		return l.side.Do(ctx, call, input, output)
	case l.calls == nil:
		return errors.New("it is out of reach")
	}
	return l.calls.Do(call, input, output)
}

// Close ends the sidecar, if there is one.
func (l Life) Close() error {
	if l.side == nil {
		return nil
	}
	return l.side.close()
}

// ErrDown says that a container does not run.
var ErrDown = errors.New("does not run")

// Life returns the present life of a container that is no part here, as after a crash. The caller closes it.
func (e *Engine) Life(ctx context.Context, id, name string) (Life, error) {
	here, err := e.lifeHere(ctx, id, name)
	if err != nil || here.pid != 0 && e.own() {
		return here, err
	}
	side, err := e.startSidecar(ctx, id, name)
	if err != nil {
		return Life{}, fmt.Errorf("container %s is not within reach: %w", name, e.whyOwn(here, err))
	}
	return Life{Began: here.Began, side: side}, nil
}

// own says that this process may do in containers of this machine what faults need.
func (e *Engine) own() bool { return os.Geteuid() == 0 && !e.Elsewhere }

// whyOwn adds the other way to reach a container.
func (e *Engine) whyOwn(here Life, err error) error {
	if here.pid != 0 && !e.Elsewhere {
		return fmt.Errorf("%w; or run as root", err)
	}
	return err
}

// lifeHere is the present life of a container, by this machine's processes; without them where it does not run here.
func (e *Engine) lifeHere(ctx context.Context, id, name string) (Life, error) {
	inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Life{}, fmt.Errorf("container %s: %w", name, err)
	}
	state := inspected.Container.State
	if !state.Running {
		return Life{}, fmt.Errorf("container %s %w: %s", name, ErrDown, end(state))
	}
	began, _ := time.Parse(time.RFC3339Nano, state.StartedAt) // the zero time is as good as none
	return e.here(id, state.Pid, began), nil
}

// here is the life of a container by this machine's processes; without them where it does not run here.
func (e *Engine) here(id string, pid int, began time.Time) Life {
	l := Life{Began: began}
	if start := procfs.Start(pid); start != 0 && !e.Elsewhere && runsHere(id, pid) {
		l.pid, l.start, l.calls = pid, start, calls(pid, pid, func() []int { return members(id) })
	}
	return l
}

// Life returns the present life of the container, and starts a sidecar where it needs one. The container closes it.
func (c *Container) Life(ctx context.Context) (Life, error) {
	e, id, name := c.spec.Engine, c.spec.ID, c.spec.Name
	here, err := e.lifeHere(ctx, id, name)
	if err != nil || here.pid != 0 && e.own() {
		return here, err
	}
	c.beside.Lock()
	defer c.beside.Unlock()
	if side := c.side.Load(); side != nil && side.Over() {
		c.side.Store(nil)
		if err := side.close(); err != nil {
			return Life{}, fmt.Errorf("container %s: %w", name, err)
		}
	}
	if c.side.Load() == nil {
		side, err := e.startSidecar(ctx, id, name)
		if err != nil {
			return Life{}, fmt.Errorf("container %s is not within reach: %w", name, e.whyOwn(here, err))
		}
		c.side.Store(side)
	}
	return Life{Began: here.Began, side: c.side.Load()}, nil
}

// LifeHere is the present life by this machine's processes; one that is over where the container runs elsewhere.
func (c *Container) LifeHere(ctx context.Context) (Life, error) {
	return c.spec.Engine.lifeHere(ctx, c.spec.ID, c.spec.Name)
}

// near is the life of a running container whose first process is pid, without starting anything. It may be out of reach: then
// nothing is known of it.
func (c *Container) near(pid int) Life {
	if side := c.side.Load(); side != nil && !side.Over() {
		return Life{side: side}
	}
	return c.spec.Engine.here(c.spec.ID, pid, time.Time{})
}

// closeSide ends the sidecar.
func (c *Container) closeSide() error {
	c.beside.Lock()
	defer c.beside.Unlock()
	if side := c.side.Swap(nil); side != nil {
		return side.close()
	}
	return nil
}

// Sidecar is the engine's identity of the container's sidecar; empty: there is none. Safe for concurrent use.
func (c *Container) Sidecar() string {
	if side := c.side.Load(); side != nil {
		return side.id
	}
	return ""
}

// The names of this package's calls.
const (
	callSockets = "container.sockets"
	callNoRoute = "container.noroute"
	callSearch  = "container.search"
	callLimit   = "container.limit_files"
	callReached = "container.files_reached"
	callRestore = "container.restore_files"
)

// SidecarCalls are the calls that a sidecar answers, in the namespaces that it shares with its container: there the container's
// first process is 1.
func SidecarCalls() sidecar.Calls {
	return calls(packets.Own, 1, func() []int {
		return slices.DeleteFunc(procfs.All(), func(pid int) bool { return pid == os.Getpid() })
	})
}

// calls are all calls on a container: on the packets of a namespace, the files of a process, and the members of a container.
func calls(namespace, pid int, members func() []int) sidecar.Calls {
	var limit *procfs.FileLimit // calls come one at a time
	all := sidecar.Calls{
		callSockets: sidecar.Typed(func(struct{}) (any, error) { return outward(pid), nil }),
		callNoRoute: sidecar.Typed(func(struct{}) (any, error) { return procfs.NoRoute(pid), nil }),
		callSearch:  sidecar.Typed(func(struct{}) (any, error) { return searched(pid) }),
		callLimit: sidecar.Typed(func(most uint64) (_ any, err error) {
			limit, err = procfs.LimitFiles(members(), most)
			return nil, err
		}),
		callReached: sidecar.Typed(func(struct{}) (any, error) { return limit != nil && limit.Reached(), nil }),
		callRestore: sidecar.Typed(func(struct{}) (any, error) {
			if limit == nil {
				return nil, nil
			}
			return nil, limit.Restore()
		}),
	}
	maps.Copy(all, packets.Calls(namespace))
	maps.Copy(all, disk.Calls(pid))
	return all
}

// sockets are the TCP sockets of a life that lead out of the container; none of one that is out of reach.
func (l Life) sockets(ctx context.Context) (all []procfs.Socket) {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	_ = l.Do(ctx, callSockets, struct{}{}, &all) // what cannot be read counts nothing
	return all
}

// Connections counts the connections that are open in a life of a container.
func (l Life) Connections(ctx context.Context) (n int) {
	for _, s := range l.sockets(ctx) {
		if s.State == procfs.Established {
			n++
		}
	}
	return n
}

// NoRoute counts the packets that could not leave the container for want of a route, in this life.
func (l Life) NoRoute(ctx context.Context) (n int64) {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	_ = l.Do(ctx, callNoRoute, struct{}{}, &n) // what cannot be read counts nothing
	return n
}

// sidecarWithin bounds the start of a sidecar.
const sidecarWithin = time.Minute

// elsewhereVariable is the environment variable whose value elsewhere makes an engine count as one on another machine.
const elsewhereVariable = "WRINGER_ENGINE"

// elsewhere reads it.
func elsewhere() (bool, error) {
	switch value := os.Getenv(elsewhereVariable); value {
	case "", "elsewhere":
		return value != "", nil
	default:
		return false, fmt.Errorf("%s=%s: the one value is elsewhere", elsewhereVariable, cmp.Or(value, `""`))
	}
}
