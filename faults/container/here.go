package container

import (
	"fmt"
	"os"
	"strings"

	"wringer/faults/procfs"
)

// runsHere says that pid is the first process of the container on this machine.
func runsHere(id string, pid int) bool {
	if pid <= 0 {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && grouped(string(groups), id)
}

// grouped says that the control groups of a process, of either version, are those of the container: engines name them after its ID.
func grouped(groups, id string) bool { return len(id) > 0 && strings.Contains(groups, id) }

// members lists the processes of a container on this machine.
func members(id string) (pids []int) {
	for _, pid := range procfs.All() {
		if runsHere(id, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Name is the part's name.
func (c *Container) Name() string { return c.spec.Name }

// Engine is the engine that runs the container.
func (c *Container) Engine() *Engine { return c.spec.Engine }
