package container

import (
	"cmp"
	"context"
	"fmt"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// Limits are a container's limits as its engine keeps them. 0: none.
type Limits struct {
	NanoCPUs   int64 `json:"nano_cpus"`
	CPUPeriod  int64 `json:"cpu_period_us"`
	CPUQuota   int64 `json:"cpu_quota_us"`
	Memory     int64 `json:"memory_bytes"`
	MemorySwap int64 `json:"memory_swap_bytes"`
}

// CPUs is the number of processors that the limits leave; 0: all.
func (l Limits) CPUs() float64 {
	switch {
	case l.NanoCPUs > 0:
		return float64(l.NanoCPUs) / 1e9
	case l.CPUQuota > 0:
		return float64(l.CPUQuota) / float64(cmp.Or(l.CPUPeriod, cpuPeriod))
	}
	return 0
}

// cpuPeriod is the period of a limit of processors in microseconds: the engine's own.
const cpuPeriod = 100_000

// Limits returns the limits of a container.
func (e *Engine) Limits(ctx context.Context, id string) (Limits, error) {
	inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Limits{}, err
	}
	r := inspected.Container.HostConfig.Resources
	l := Limits{r.NanoCPUs, r.CPUPeriod, max(r.CPUQuota, 0), r.Memory, r.MemorySwap}
	if l.Memory >= unlimited {
		l.Memory, l.MemorySwap = 0, 0
	}
	return l, nil
}

// unlimited is what an engine takes for no limit of memory: it lets none be taken away.
const unlimited = 1 << 62

// Limit lowers the limits of a container that has the limits l. 0 leaves one as it is.
func (e *Engine) Limit(ctx context.Context, id string, l Limits, cpus float64, memory int64) error {
	var r container.Resources
	switch {
	case cpus <= 0:
	case l.NanoCPUs > 0: // the engine takes no quota beside it
		r.NanoCPUs = int64(cpus * 1e9)
	default:
		r.CPUPeriod = cmp.Or(l.CPUPeriod, cpuPeriod)
		r.CPUQuota = int64(cpus * float64(r.CPUPeriod))
	}
	r.Memory, r.MemorySwap = memory, memory // the container must not go on in swap
	return e.update(ctx, id, r)
}

// Restore gives a container the limits l again. The engine takes 0 for no change, and -1 for no limit of processors.
func (e *Engine) Restore(ctx context.Context, id string, l Limits, cpus, memory bool) error {
	var r container.Resources
	switch {
	case !cpus:
	case l.NanoCPUs > 0:
		r.NanoCPUs = l.NanoCPUs
	default:
		r.CPUPeriod, r.CPUQuota = cmp.Or(l.CPUPeriod, cpuPeriod), cmp.Or(l.CPUQuota, -1)
	}
	if memory {
		r.Memory, r.MemorySwap = cmp.Or(l.Memory, unlimited), cmp.Or(max(l.MemorySwap, 0), unlimited)
	}
	return e.update(ctx, id, r)
}

func (e *Engine) update(ctx context.Context, id string, r container.Resources) error {
	_, err := e.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: &r})
	if !errdefs.IsNotFound(err) {
		return err
	}
	if _, gone := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{}); gone != nil {
		return err
	}
	return e.updatePodman(ctx, id, r)
}

// LimitCPU implements faults.CPULimiter by the engine's limit of processors.
func (c *Container) LimitCPU(ctx context.Context, share float64) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.turn.Unlock()
	c.mu.Lock()
	already := c.limits != nil
	c.mu.Unlock()
	if already {
		return nil
	}
	e, id := c.spec.Engine, c.spec.ID
	before, err := e.Limits(ctx, id)
	if err != nil {
		return fmt.Errorf("limit container %s: %w", c.spec.Name, err)
	}
	whole := before.CPUs()
	if whole == 0 {
		info, err := e.Info(ctx, client.InfoOptions{})
		if err != nil {
			return fmt.Errorf("limit container %s: %w", c.spec.Name, err)
		}
		whole = float64(info.Info.NCPU)
	}
	held, err := newHeldBack(ctx, e, id)
	if err != nil {
		return fmt.Errorf("limit container %s: %w", c.spec.Name, err)
	}
	if err := e.Limit(ctx, id, before, whole*share, 0); err != nil {
		return fmt.Errorf("limit container %s: %w", c.spec.Name, err)
	}
	c.count.start(held.look)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = &before
	return nil
}

// RestoreCPU implements faults.CPULimiter.
func (c *Container) RestoreCPU(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.turn.Unlock()
	c.mu.Lock()
	before := c.limits
	c.mu.Unlock()
	if before == nil {
		return nil
	}
	c.count.look()
	if err := c.spec.Engine.Restore(ctx, c.spec.ID, *before, true, false); err != nil {
		return fmt.Errorf("restore the limits of container %s: %w", c.spec.Name, err)
	}
	c.count.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = nil
	return nil
}

// heldBack counts the periods in which a container used up its processors.
type heldBack struct {
	engine *Engine
	id     string
	base   uint64
}

func newHeldBack(ctx context.Context, e *Engine, id string) (*heldBack, error) {
	u, err := e.Usage(ctx, id)
	return &heldBack{e, id, u.ThrottledPeriods}, err
}

func (h *heldBack) look() int64 {
	ctx, cancel := context.WithTimeout(context.Background(), readyBound)
	defer cancel()
	u, err := h.engine.Usage(ctx, h.id)
	if err != nil || u.ThrottledPeriods < h.base { // it has started again, and the engine counts anew
		return 0
	}
	return int64(u.ThrottledPeriods - h.base)
}

// LimitFiles implements faults.FileLimiter.
func (c *Container) LimitFiles(ctx context.Context, most uint64) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.turn.Unlock()
	life, err := c.Life(ctx)
	if err != nil {
		return fmt.Errorf("limit files: %w", err)
	}
	c.mu.Lock()
	already := c.files != nil
	c.mu.Unlock()
	if already {
		return nil
	}
	if err := life.Do(ctx, callLimit, most, nil); err != nil {
		return fmt.Errorf("limit the files of container %s: %w", c.spec.Name, err)
	}
	c.count.start(func() int64 {
		ctx, cancel := context.WithTimeout(context.Background(), readyBound)
		defer cancel()
		var reached bool
		if life.Do(ctx, callReached, struct{}{}, &reached) != nil || !reached {
			return 0
		}
		return life.unaccepted(ctx)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = &life
	return nil
}

// RestoreFiles implements faults.FileLimiter. The limits of a life that is over ended with it.
func (c *Container) RestoreFiles(ctx context.Context) error {
	if err := c.lock(ctx); err != nil {
		return err
	}
	defer c.turn.Unlock()
	c.mu.Lock()
	life := c.files
	c.mu.Unlock()
	if life == nil {
		return nil
	}
	c.count.look()
	if err := life.Do(ctx, callRestore, struct{}{}, nil); err != nil && !life.Over() {
		return fmt.Errorf("restore the files of container %s: %w", c.spec.Name, err)
	}
	c.count.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files = nil
	return nil
}
