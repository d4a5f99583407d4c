package container

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
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
	// Ready returns nil when the container works. It is called repeatedly after each start until then. nil: a running container
	// is ready.
	Ready func(ctx context.Context) error
	// Begin, when set, is called before each start.
	Begin func()
	// Within bounds the time to become ready, and Grace the time to end when asked. Defaults: 60s and 10s.
	Within, Grace time.Duration
	// Refused returns how many known dials to a port of this machine have failed so far. nil: no dials are known.
	Refused func(port string) int64
	// Ports are the ports of this machine that lead to the container.
	Ports []string
	// Once says that the container does its work and ends: it is ready when it ended with 0.
	Once bool
}

const (
	defaultWithin = 60 * time.Second
	defaultGrace  = 10 * time.Second
)

// Container is a part of a target. It implements faults.Part and faults.Stopper.
type Container struct {
	spec Spec
	turn chan struct{} // holds one element while a call is in progress
	logs *logs

	mu       sync.Mutex
	paused   bool
	down     bool // killed or ended by a fault
	expected bool // the next end is asked for
	begun    bool // it was ready once
	deaths   []Death
	restarts int
	met      int64
	refused  map[string]int64 // by port, when it was taken down
}

// Death is an end of a container that nothing asked for.
type Death struct {
	Text string
	At   time.Time
}

// New prepares a container that was created. Start starts it.
func New(spec Spec) *Container {
	spec.Within, spec.Grace = cmp.Or(spec.Within, defaultWithin), cmp.Or(spec.Grace, defaultGrace)
	c := &Container{spec: spec, turn: make(chan struct{}, 1)}
	c.logs = &logs{engine: spec.Engine, id: spec.ID, next: spec.Output}
	return c
}

// ID is the engine's identity of the container.
func (c *Container) ID() string { return c.spec.ID }

func (c *Container) lock(ctx context.Context) error {
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("container %s: %w", c.spec.Name, ctx.Err())
	}
}

func (c *Container) unlock() { <-c.turn }

// Patience implements faults.Slow.
func (c *Container) Patience() time.Duration { return c.spec.Within + c.spec.Grace + 5*time.Second }

// Start implements faults.Part. It returns when the container is ready; a ready container is left alone.
func (c *Container) Start(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
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
	c.stopCounting()
	return nil
}

func (c *Container) launch(ctx context.Context) error {
	if c.spec.Begin != nil {
		c.spec.Begin()
	}
	c.mu.Lock()
	c.expected, c.begun, c.paused = false, false, false
	c.mu.Unlock()
	if _, err := c.spec.Engine.ContainerStart(ctx, c.spec.ID, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("start container %s: %w", c.spec.Name, err)
	}
	c.logs.follow()
	return nil
}

// The interval between two checks of readiness, and the bound of one check.
const (
	readyEvery = 50 * time.Millisecond
	readyBound = 2 * time.Second
)

func (c *Container) untilReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.spec.Within)
	defer cancel()
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
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
		case <-tick.C:
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
	inspected, err := c.spec.Engine.ContainerInspect(ctx, c.spec.ID, client.ContainerInspectOptions{})
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	return inspected.Container.State, nil
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
	case len(health.Log) > 0:
		last := health.Log[len(health.Log)-1]
		return fmt.Errorf("its health check is %s: exit code %d: %s", health.Status, last.ExitCode, strings.TrimSpace(last.Output))
	}
	return fmt.Errorf("its health check is %s", health.Status)
}

// Ready implements faults.Part.
func (c *Container) Ready(ctx context.Context) error {
	c.mu.Lock()
	paused := c.paused
	c.mu.Unlock()
	if paused {
		return fmt.Errorf("container %s is paused", c.spec.Name)
	}
	if _, err := c.checkReady(ctx); err != nil {
		return fmt.Errorf("container %s is not ready: %w", c.spec.Name, err)
	}
	return nil
}

// Kill implements faults.Part: the container's processes get SIGKILL.
func (c *Container) Kill(ctx context.Context) error {
	return c.end(ctx, func(ctx context.Context) error {
		_, err := c.spec.Engine.ContainerKill(ctx, c.spec.ID, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
}

// Stop implements faults.Stopper: the container gets its stop signal, and SIGKILL after its grace.
func (c *Container) Stop(ctx context.Context) error {
	return c.end(ctx, func(ctx context.Context) error {
		grace := int(c.spec.Grace.Round(time.Second) / time.Second)
		_, err := c.spec.Engine.ContainerStop(ctx, c.spec.ID, client.ContainerStopOptions{Timeout: &grace})
		return err
	})
}

// end takes the container down and waits until it has ended.
func (c *Container) end(ctx context.Context, down func(context.Context) error) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	state, err := c.state(ctx)
	if err != nil {
		return err
	}
	if !state.Running {
		// A container that ended by itself cannot be killed: the fault would be credited with the target's own failure.
		return fmt.Errorf("container %s does not run: %s", c.spec.Name, end(state))
	}
	c.startCounting(int64(established(c.spec.ID, state.Pid)))
	c.expect(true)
	if err := down(ctx); err != nil {
		c.expect(false)
		return fmt.Errorf("container %s: %w", c.spec.Name, err)
	}
	if err := c.awaitEnd(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down, c.paused = true, false
	return nil
}

func (c *Container) expect(end bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = end
}

func (c *Container) awaitEnd(ctx context.Context) error {
	ended := c.spec.Engine.ContainerWait(ctx, c.spec.ID, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	select {
	case <-ended.Result:
		return nil
	case err := <-ended.Error:
		return fmt.Errorf("container %s does not end: %w", c.spec.Name, err)
	case <-ctx.Done():
		return fmt.Errorf("container %s does not end: %w", c.spec.Name, ctx.Err())
	}
}

// Pause implements faults.Part: the engine freezes the container's processes. It is idempotent.
func (c *Container) Pause(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	state, err := c.state(ctx)
	switch {
	case err != nil:
		return err
	case state.Paused:
		return nil
	case !state.Running:
		return fmt.Errorf("container %s does not run: %s", c.spec.Name, end(state))
	}
	c.startCounting(int64(established(c.spec.ID, state.Pid)))
	if _, err := c.spec.Engine.ContainerPause(ctx, c.spec.ID, client.ContainerPauseOptions{}); err != nil {
		return fmt.Errorf("pause container %s: %w", c.spec.Name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = true
	return nil
}

// Resume implements faults.Part. It is idempotent.
func (c *Container) Resume(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.unlock()
	state, err := c.state(ctx)
	if err != nil {
		return err
	}
	if state.Paused {
		if _, err := c.spec.Engine.ContainerUnpause(ctx, c.spec.ID, client.ContainerUnpauseOptions{}); err != nil {
			return fmt.Errorf("resume container %s: %w", c.spec.Name, err)
		}
	}
	c.stopCounting()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = false
	return nil
}

// Close ends the container and removes it with its anonymous volumes.
func (c *Container) Close(ctx context.Context) error {
	c.expect(true)
	_, err := c.spec.Engine.ContainerRemove(ctx, c.spec.ID, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if err := c.logs.close(ctx, false); err != nil {
		return fmt.Errorf("keep the output of container %s: %w", c.spec.Name, err)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("remove container %s: %w", c.spec.Name, err)
	}
	return nil
}

// Detach ends the reading of the container's output. The container stays.
func (c *Container) Detach(ctx context.Context) error { return c.logs.close(ctx, true) }

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

// Died is called for each end of the container that the engine reports, with the container's exit code, and whether the kernel
// ended it for want of memory.
func (c *Container) Died(at time.Time, code string, outOfMemory bool) {
	c.mu.Lock()
	asked := c.expected || !c.begun || c.spec.Once && code == "0"
	c.mu.Unlock()
	if asked {
		return
	}
	text := fmt.Sprintf("container %s ended by itself: exit code %s", c.spec.Name, code)
	if outOfMemory {
		text += ", out of memory"
	}
	text += c.logs.quote(context.Background())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = append(c.deaths, Death{Text: text, At: at})
}

// Started is called for each start of the container that the engine reports.
func (c *Container) Started() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun {
		c.restarts++
	}
	c.logs.follow()
}

// Deaths returns the ends that nothing asked for. Safe for concurrent use.
func (c *Container) Deaths() []Death {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Death(nil), c.deaths...)
}

// Restarts counts the starts after the container was ready. Safe for concurrent use.
func (c *Container) Restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.restarts
}

// Met implements faults.Part: connections that were open when the container was taken down, and dials refused since.
func (c *Container) Met() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.met + c.refusedSince()
}

func (c *Container) startCounting(met int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.met += met
	c.refused = make(map[string]int64)
	for _, port := range c.spec.Ports {
		c.refused[port] = c.refusals(port)
	}
}

func (c *Container) stopCounting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.met += c.refusedSince()
	c.refused, c.down = nil, false
}

// refusedSince counts the dials that failed since startCounting. c.mu is held.
func (c *Container) refusedSince() (n int64) {
	for port, base := range c.refused {
		n += c.refusals(port) - base
	}
	return n
}

func (c *Container) refusals(port string) int64 {
	if c.spec.Refused == nil {
		return 0
	}
	return c.spec.Refused(port)
}

// end says how a container ended.
func end(s *container.State) string {
	text := fmt.Sprintf("exit code %d", s.ExitCode)
	switch {
	case s.OOMKilled:
		text += ", out of memory"
	case s.ExitCode > 128 && s.ExitCode < 128+65:
		text += fmt.Sprintf(", signal %d", s.ExitCode-128)
	}
	if s.Error != "" {
		text += ": " + s.Error
	}
	return text
}

var (
	_ faults.Part    = (*Container)(nil)
	_ faults.Stopper = (*Container)(nil)
	_ faults.Slow    = (*Container)(nil)
)
