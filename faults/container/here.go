package container

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/moby/moby/client"

	"wringer/faults/procfs"
)

// runsHere says that pid is the first process of the container on this machine.
func runsHere(id string, pid int) bool {
	if pid <= 0 {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(groups), id)
}

// members lists the processes of a container on this machine.
func members(id string) (pids []int) {
	for _, pid := range procfs.All() {
		if runsHere(id, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Life is one life of a container whose engine runs on this machine.
type Life struct {
	PID   int
	start uint64
}

// Over says that the life has ended.
func (l Life) Over() bool { return l.start == 0 || procfs.Start(l.PID) != l.start }

// Life returns the present life of a container. An error says that the container does not run, or not on this machine.
func (e *Engine) Life(ctx context.Context, id, name string) (Life, error) {
	inspected, err := e.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return Life{}, fmt.Errorf("container %s: %w", name, err)
	}
	state := inspected.Container.State
	l := Life{PID: state.Pid, start: procfs.Start(state.Pid)}
	switch {
	case !state.Running:
		return Life{}, fmt.Errorf("container %s does not run: %s", name, end(state))
	case l.start == 0 || !runsHere(id, state.Pid):
		return Life{}, fmt.Errorf("container %s does not run on this machine: its engine is at %s", name, e.Endpoint)
	}
	return l, nil
}

// Name is the part's name.
func (c *Container) Name() string { return c.spec.Name }

// Engine is the engine that runs the container.
func (c *Container) Engine() *Engine { return c.spec.Engine }
