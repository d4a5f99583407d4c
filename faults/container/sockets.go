package container

import (
	"bufio"
	"fmt"
	"os"
	"strings"
)

// established counts the TCP connections that are open in a container, by its first process's network namespace. It is 0 where
// the container runs on another machine: there the pid is not ours.
func established(id string, pid int) (n int) {
	if !runsHere(id, pid) {
		return 0
	}
	for _, table := range []string{"tcp", "tcp6"} {
		file, err := os.Open(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			const state, open = 3, "01"
			if fields := strings.Fields(lines.Text()); len(fields) > state && fields[state] == open {
				n++
			}
		}
		file.Close()
	}
	return n
}

// runsHere says that pid is the first process of the container on this machine.
func runsHere(id string, pid int) bool {
	if pid <= 0 {
		return false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return err == nil && strings.Contains(string(groups), id)
}
