package container

import (
	"context"
	"fmt"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Kill implements faults.Part: the container's processes get SIGKILL.
func (c *Container) Kill(ctx context.Context) error {
	return c.end(ctx, func(ctx context.Context) error {
		_, err := c.spec.Engine.ContainerKill(ctx, c.spec.ID, client.ContainerKillOptions{Signal: "KILL"})
		return err
	})
}

// Signal implements faults.Signaller. The first process of a container ignores a signal that it does not handle.
func (c *Container) Signal(ctx context.Context, signal string) error {
	return c.end(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.spec.Grace)
		defer cancel()
		if _, err := c.spec.Engine.ContainerKill(ctx, c.spec.ID, client.ContainerKillOptions{Signal: signal}); err != nil {
			return err
		}
		if err := c.awaitEnd(ctx); err != nil {
			return fmt.Errorf("it does not end by SIG%s within %v: handle the signal in the container, or choose another: %w", signal, c.spec.Grace, err)
		}
		return nil
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
	defer c.turn.Unlock()
	c.mu.Lock()
	if c.down {
		c.mu.Unlock()
		return nil
	}
	c.mu.Unlock()
	seen, err := c.inspect(ctx)
	if err != nil {
		return err
	}
	state := seen.State
	if !state.Running {
		// A container that ended by itself cannot be killed: the fault would be credited with the target's own failure.
		return fmt.Errorf("container %s does not run: %s", c.spec.Name, end(state))
	}
	calls := c.WatchCalls(ctx, seen.NetworkSettings)
	c.count.start(func() int64 { return 0 })
	c.count.watch(calls)
	c.count.add(c.near(state.Pid).Connections(ctx))
	c.expect(true)
	if err := down(ctx); err != nil {
		c.count.stop()
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
	defer c.turn.Unlock()
	state, err := c.state(ctx)
	switch {
	case err != nil:
		return err
	case state.Paused:
		return nil
	case !state.Running:
		return fmt.Errorf("container %s does not run: %s", c.spec.Name, end(state))
	}
	waiting := newWaiting(c.near(state.Pid))
	c.count.start(waiting.look)
	if _, err := c.spec.Engine.ContainerPause(ctx, c.spec.ID, client.ContainerPauseOptions{}); err != nil {
		c.count.stop()
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
	defer c.turn.Unlock()
	state, err := c.state(ctx)
	if err != nil {
		return err
	}
	if state.Paused {
		c.count.look()
		if _, err := c.spec.Engine.ContainerUnpause(ctx, c.spec.ID, client.ContainerUnpauseOptions{}); err != nil {
			return fmt.Errorf("resume container %s: %w", c.spec.Name, err)
		}
	}
	c.count.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = false
	return nil
}
