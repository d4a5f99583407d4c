package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup gives a child a process group of its own. The child dies with the thread that started it, and so when this
// process is killed.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// stat reads the fields of /proc/PID/stat that follow the command's name, from the state on (proc_pid_stat(5): field 3).
func stat(pid int) []string {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	// The name is in parentheses and may hold any character, parentheses included.
	after := bytes.LastIndexByte(raw, ')')
	if after < 0 {
		return nil
	}
	return strings.Fields(string(raw[after+1:]))
}

const (
	statState  = 0  // field 3
	statParent = 1  // field 4
	statGroup  = 2  // field 5
	statStart  = 19 // field 22
)

func statField(pid, field int) string {
	if fields := stat(pid); len(fields) > field {
		return fields[field]
	}
	return ""
}

// startOf returns the start time of a process, 0 if there is none.
func startOf(pid int) uint64 {
	start, _ := strconv.ParseUint(statField(pid, statStart), 10, 64)
	return start
}

// stopped says whether a signal has stopped the process.
func stopped(pid int) bool { return statField(pid, statState) == "T" }

// marked says whether a process was started with this entry in its environment.
func marked(pid int, entry string) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.Contains(strings.Split(string(raw), "\x00"), entry)
}

// group lists the processes of a process group.
func group(pgid int) []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err == nil && statField(pid, statGroup) == strconv.Itoa(pgid) {
			all = append(all, pid)
		}
	}
	return all
}

// withMark lists the processes that carry a mark, in any group.
func withMark(mark string) []int {
	var all []int
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && marked(pid, marker+mark) {
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
		for _, link := range files(pid) {
			if inode, ok := strings.CutPrefix(link, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	for _, table := range []string{"tcp", "tcp6"} {
		raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", c.pid(), table))
		for line := range strings.Lines(string(raw)) {
			s.row(strings.Fields(line), own)
		}
	}
	return s
}

// The states of a socket in /proc/net/tcp.
const (
	stateEstablished = "01"
	stateCloseWait   = "08"
	stateListen      = "0A"
)

// row reads one row of /proc/net/tcp (proc_net_tcp in the kernel's documentation).
func (s *sockets) row(fields []string, own map[string]bool) {
	if len(fields) < 10 || !own[fields[9]] {
		return
	}
	_, port, _ := strings.Cut(fields[1], ":")
	_, unread, _ := strings.Cut(fields[4], ":")
	n, _ := strconv.ParseUint(unread, 16, 32)
	switch fields[3] {
	case stateListen:
		number, _ := strconv.ParseUint(port, 16, 16)
		s.ports[strconv.FormatUint(number, 10)] = true
		s.queued += int(n) // for a listener, the length of its queue
		s.waiting += int(n)
	case stateEstablished:
		s.established++
		if n > 0 {
			s.waiting++
		}
	case stateCloseWait:
		// The peer's FIN counts as one byte: alone it is no request.
		if n > 1 {
			s.waiting++
		}
	}
}

// files lists the targets of a process's open files.
func files(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		if link, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
			all = append(all, link)
		}
	}
	return all
}

// limit is a limit of open files in force, with the previous limits.
type limit struct {
	most   uint64
	before map[int]unix.Rlimit
	starts map[int]uint64
}

func limitFiles(pids []int, most uint64) (*limit, error) {
	l := &limit{most: most, before: make(map[int]unix.Rlimit), starts: make(map[int]uint64)}
	for _, pid := range pids {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
			return nil, errors.Join(err, l.restore())
		}
		l.before[pid], l.starts[pid] = old, startOf(pid)
		now := unix.Rlimit{Cur: min(most, old.Max), Max: old.Max}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &now, nil); err != nil {
			return nil, errors.Join(err, l.restore())
		}
	}
	return l, nil
}

// restore gives every process that still exists its previous limit.
func (l *limit) restore() error {
	var failed []error
	for pid, old := range l.before {
		if startOf(pid) != l.starts[pid] {
			continue
		}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			failed = append(failed, fmt.Errorf("pid %d: %w", pid, err))
		}
	}
	return errors.Join(failed...)
}

// waitingForFiles counts the connections that wait to be accepted by a process at its file limit.
func (l *limit) waitingForFiles(c *child) int64 {
	for pid := range l.before {
		if uint64(len(files(pid))) >= l.most {
			return int64(c.sockets().queued)
		}
	}
	return 0
}
