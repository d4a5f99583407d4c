package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"wringer/faults"
)

// Spec is a container that was created in an engine.
type Spec struct {
	Engine *Engine
	ID     string
	// Name is the part's name.
	Name string
	// Output receives the container's standard output and error. nil: only the last lines are kept.
	Output io.Writer
	// Ready returns nil when the container works. It is called repeatedly after each start until then. Its connections have ended
	// at the container when it returns: a fault would count them as traffic. nil: a running container is ready.
	Ready func(ctx context.Context) error
	// Begin, when set, is called before each start.
	Begin func()
	// Within bounds the time to become ready, and Grace the time to end when asked. Defaults: 60s and 10s.
	Within, Grace time.Duration
	// Refused returns how many known dials to a port of this machine have failed so far. nil: no dials are known.
	Refused func(port string) int64
	// Ports are the ports of this machine that lead to the container, with its own port of each.
	Ports map[string]string
	// Names are those by which other containers of the target reach this one alone.
	Names []string
	// Callers returns the other containers of the target. nil: there are none.
	Callers func() []*Container
	// Once says that the container does its work and ends: it is ready when it ended with 0.
	Once bool
}

const (
	defaultWithin = 60 * time.Second
	defaultGrace  = 10 * time.Second
)

// Container is a part of a target. It implements faults.Part and what parts may offer beyond it.
type Container struct {
	spec Spec
	turn faults.Turn // held while a call is in progress
	logs *logs

	mu       sync.Mutex
	paused   bool
	down     bool // killed or ended by a fault
	expected bool // the next end is asked for
	begun    bool // it was ready once
	deaths   []Death
	launched int // starts that were asked for
	started  int // starts that the engine told, some time after each
	kills    kills
	count    count
	files    *Life   // in which its files are limited; nil: they are not
	limits   *Limits // before a limit of its processors; nil: none is in force

	meter *meter

	beside sync.Mutex             // held while a sidecar starts or ends
	side   atomic.Pointer[beside] // nil: there is none
	last   atomic.Pointer[Life]   // that was within reach

	counted   atomic.Pointer[Life] // in which processes that ended for want of memory are counted
	uncounted atomic.Bool          // they cannot be: it runs on another machine
}

// New prepares a container that was created. Start starts it.
func New(spec Spec) *Container {
	spec.Within, spec.Grace = cmp.Or(spec.Within, defaultWithin), cmp.Or(spec.Grace, defaultGrace)
	c := &Container{spec: spec, turn: faults.NewTurn()}
	c.logs = &logs{engine: spec.Engine, id: spec.ID, next: spec.Output}
	c.count.ports, c.count.refusals = slices.Sorted(maps.Keys(spec.Ports)), spec.Refused
	c.meter = newMeter(spec.Engine, spec.ID)
	c.meter.each = c.CountKills
	return c
}

// Published implements faults.Publisher.
func (c *Container) Published(port string) (own string, ok bool) {
	own, ok = c.spec.Ports[port]
	return own, ok
}

// ID is the engine's identity of the container.
func (c *Container) ID() string { return c.spec.ID }

func (c *Container) lock(ctx context.Context) error {
	if err := c.turn.Lock(ctx); err != nil {
		return fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	return nil
}

// Patience implements faults.Slow.
func (c *Container) Patience() time.Duration { return c.spec.Within + c.spec.Grace + 5*time.Second }

// Start implements faults.Part. It returns when the container is ready; a ready container is left alone.
func (c *Container) Start(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.turn.Unlock()
	state, err := c.state(ctx)
	if err != nil {
		return err
	}
	if !state.Running {
		if err := c.launch(ctx); err != nil {
			return err
		}
	}
	if err := c.untilReady(ctx); err != nil {
		return err
	}
	c.meter.follow() // also of one that an earlier run kept; before, it would only keep the engine from starting others
	c.mu.Lock()
	c.down = false
	c.mu.Unlock()
	c.count.stop()
	return nil
}

// ErrPortTaken says that something else holds a port that a container publishes.
var ErrPortTaken = errors.New("a port that it publishes is taken")

// portWords are the engines' words for it.
var portWords = []string{"port is already allocated", "address already in use"}

func (c *Container) launch(ctx context.Context) error {
	if c.spec.Begin != nil {
		c.spec.Begin()
	}
	c.mu.Lock()
	c.expected, c.begun, c.paused = false, false, false
	c.launched++
	c.mu.Unlock()
	c.count.back() // what reaches it from now on is served
	if _, err := c.spec.Engine.ContainerStart(ctx, c.spec.ID, client.ContainerStartOptions{}); err != nil {
		for _, words := range portWords {
			if strings.Contains(err.Error(), words) {
				err = fmt.Errorf("%w: %w", ErrPortTaken, err)
			}
		}
		return fmt.Errorf("start container %s: %w", c.spec.Name, err)
	}
	c.logs.follow()
	return nil
}

// The interval between two checks of readiness, and the bound of one check. The interval grows from the first to the last, so
// that many waiting containers do not keep a busy engine from starting them.
const (
	readyFirst = 10 * time.Millisecond
	readyLast  = 500 * time.Millisecond
	readyBound = 2 * time.Second
)

func (c *Container) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.spec.Within)
	defer cancel()
	every := readyFirst
	var last error // that was not for want of time
	for {
		ended, err := c.checkReady(ctx)
		if ctx.Err() == nil || last == nil {
			last = err
		}
		switch {
		case err == nil:
			c.mu.Lock()
			c.begun = true
			c.mu.Unlock()
			return nil
		case ended:
			return fmt.Errorf("container %s ended before it was ready: %w%s", c.spec.Name, err, c.logs.quote(ctx))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("container %s is not ready after %v: %w%s", c.spec.Name, c.spec.Within, last, c.logs.quote(context.WithoutCancel(ctx)))
		case <-time.After(every):
			every = min(every*3/2, readyLast)
		}
	}
}

// checkReady checks once. ended says that the container will never be ready.
func (c *Container) checkReady(ctx context.Context) (ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	state, err := c.state(ctx)
	if err != nil {
		return false, err
	}
	switch finished := !state.Running && state.Status == container.StateExited; {
	case c.spec.Once && finished && state.ExitCode == 0:
		return false, nil
	case c.spec.Once && !finished:
		return false, errors.New("it still works")
	case finished || state.Status == container.StateDead:
		return !state.Restarting, errors.New(end(state))
	case state.Status == container.StateRestarting:
		return false, fmt.Errorf("its restart policy starts it again: %s", end(state))
	case c.spec.Ready == nil:
		return false, nil
	}
	return false, c.spec.Ready(ctx)
}

func (c *Container) state(ctx context.Context) (*container.State, error) {
	inspected, err := c.inspect(ctx)
	if err != nil {
		return nil, err
	}
	return inspected.State, nil
}

func (c *Container) inspect(ctx context.Context) (*container.InspectResponse, error) {
	inspected, err := c.spec.Engine.ContainerInspect(ctx, c.spec.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	return &inspected.Container, nil
}

// Healthy returns nil when the engine's health check of a container succeeds.
func (e *Engine) Healthy(ctx context.Context, id string) error {
	inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return err
	}
	health := inspected.Container.State.Health
	switch {
	case health == nil:
		return errors.New("it has no health check")
	case health.Status == container.Healthy:
		return nil
	}
	e.checkPodman(ctx, id)
	if len(health.Log) > 0 {
		last := health.Log[len(health.Log)-1]
		return fmt.Errorf("its health check is %s: exit code %d: %s", health.Status, last.ExitCode, strings.TrimSpace(last.Output))
	}
	return fmt.Errorf("its health check is %s", health.Status)
}

// Ready implements faults.Part.
func (c *Container) Ready(ctx context.Context) error {
	c.mu.Lock()
	paused, files, limits := c.paused, c.files != nil, c.limits != nil
	c.mu.Unlock()
	switch {
	case paused:
		return fmt.Errorf("container %s is paused", c.spec.Name)
	case files:
		return fmt.Errorf("the files of container %s are limited", c.spec.Name)
	case limits:
		return fmt.Errorf("the processors of container %s are limited", c.spec.Name)
	}
	if _, err := c.checkReady(ctx); err != nil {
		return fmt.Errorf("container %s is not ready: %w", c.spec.Name, err)
	}
	return nil
}

// Close ends the container and removes it with its anonymous volumes.
func (c *Container) Close(ctx context.Context) error {
	c.expect(true)
	c.count.stop()
	c.meter.close()
	side := c.closeSide()
	err := c.spec.Engine.Remove(ctx, c.spec.ID)
	if err != nil {
		err = fmt.Errorf("remove container %s: %w", c.spec.Name, err)
	}
	output := c.logs.close(ctx, err != nil) // the output of one that stays does not end
	if output != nil {
		output = fmt.Errorf("keep the output of container %s: %w", c.spec.Name, output)
	}
	return errors.Join(side, err, output)
}

// Detach ends the reading of the container's output and of what it uses. The container stays.
func (c *Container) Detach(ctx context.Context) error {
	c.count.stop()
	c.meter.close()
	return errors.Join(c.closeSide(), c.logs.close(ctx, true))
}

// Adopt takes over a container that an earlier run kept: its output counts from now on. A paused container is resumed. It is
// called before Start.
func (c *Container) Adopt(ctx context.Context) error {
	c.logs.since = time.Now()
	if err := c.Resume(ctx); err != nil {
		return err
	}
	c.logs.follow()
	return nil
}

var (
	_ faults.Part    = (*Container)(nil)
	_ faults.Stopper = (*Container)(nil)
	_ faults.Slow    = (*Container)(nil)

	_ faults.Signaller   = (*Container)(nil)
	_ faults.CPULimiter  = (*Container)(nil)
	_ faults.FileLimiter = (*Container)(nil)
	_ faults.Inside      = (*Container)(nil)
	_ faults.Publisher   = (*Container)(nil)
)
