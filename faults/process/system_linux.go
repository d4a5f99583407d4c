package process

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"wringer/faults"
	"wringer/faults/procfs"
)

// ownGroup gives a child a process group of its own. The child dies with the thread that started it, and so when this
// process is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startOf returns the start time of a process, 0 if there is none.
func startOf(pid int) uint64 { return procfs.Start(pid) }

// stopped says whether a signal has stopped the process.
// stopped says whether a process runs none of its code until it is let go on. One that waits in the kernel stops before it returns: for
// a child that it starts by vfork, it waits as long as that child is stopped.
func stopped(pid int) bool {
	switch procfs.Stat(pid, procfs.State) {
	case "T":
		return true
	case "D":
		return stops(pid)
	}
	return false
}

// stops says whether a signal to stop awaits a process.
func stops(pid int) bool {
	raw, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	for line := range strings.Lines(string(raw)) {
		for _, pending := range []string{"SigPnd:", "ShdPnd:"} {
			if mask, is := strings.CutPrefix(line, pending); is {
				if set, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64); err == nil && set&(1<<(uint(syscall.SIGSTOP)-1)) != 0 {
					return true
				}
			}
		}
	}
	return false
}

// marked says whether a process was started with this entry in its environment.
func marked(pid int, entry string) bool { return slices.Contains(environment(pid), entry) }

// marks says whether a process's environment has the mark of a run's process. others: it has that of anything else that this
// process started, another process or a fault's command.
func marks(pid int, mark string) (own, others bool) {
	for _, entry := range environment(pid) {
		own = own || entry == marker+mark
		others = others || entry != marker+mark && strings.HasPrefix(entry, marker) || strings.HasPrefix(entry, faults.CommandMark+"=")
	}
	return own, others
}

// environment lists the entries of a process's environment, as its program was started with them.
func environment(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return nil
	}
	return strings.Split(string(raw), "\x00")
}

// group lists the processes of a process group.
func group(pgid int) []int {
	var all []int
	for _, pid := range procfs.All() {
		if procfs.Stat(pid, procfs.Group) == strconv.Itoa(pgid) {
			all = append(all, pid)
		}
	}
	return all
}

// withMark lists the processes that carry a mark, in any group.
func withMark(mark string) []int {
	var all []int
	for _, pid := range procfs.All() {
		if marked(pid, marker+mark) {
			all = append(all, pid)
		}
	}
	return all
}

// sockets are the TCP sockets of a family.
type sockets struct {
	ports       map[string]bool // the ports on which it listens
	established int
	waiting     int // connections not yet accepted, and connections with unread bytes
	queued      int // connections not yet accepted
}

// sockets reads the kernel's tables. Sockets that cannot be read are not counted.
func (c *child) sockets() sockets {
	s := sockets{ports: make(map[string]bool)}
	own := make(map[string]bool)
	for _, pid := range c.members() {
		for _, link := range procfs.Files(pid) {
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, row := range procfs.Sockets(c.pid()) {
		if own[row.Inode] {
			s.add(&row)
		}
	}
	return s
}

func (s *sockets) add(row *procfs.Socket) {
	switch {
	case row.State == procfs.Listen:
		s.ports[strconv.Itoa(int(row.Local.Port()))] = true
		s.queued += int(row.Unread)
		s.waiting += int(row.Unread)
	case row.Waits():
		s.waiting++
	}
	if row.State == procfs.Established {
		s.established++
	}
}
