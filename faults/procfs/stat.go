package procfs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Field is the place of a field in /proc/PID/stat, counted from the state on (proc_pid_stat(5): field 3).
type Field int

// The fields that callers need.
const (
	State     Field = 0
	Parent    Field = 1
	Group     Field = 2
	StartTime Field = 19 // in the kernel's clock ticks since boot
)

// Stats returns the fields of a process from the state on; nil if there is no such process.
func Stats(pid int) []string {
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

// Stat returns one field of a process; empty if there is no such process.
func Stat(pid int, field Field) string {
	if fields := Stats(pid); len(fields) > int(field) {
		return fields[field]
	}
	return ""
}

// Start returns the start time of a process in the kernel's clock ticks since boot, 0 if there is no such process. It tells a
// process from another that got its pid.
func Start(pid int) uint64 {
	ticks, _ := strconv.ParseUint(Stat(pid, StartTime), 10, 64)
	return ticks
}

// All lists the processes of the machine.
func All() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Files lists the targets of a process's open files.
func Files(pid int) []string {
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
