package procfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// FileLimit is a limit of open files in force, with the previous limits.
type FileLimit struct {
	most   uint64
	before map[int]unix.Rlimit
	starts map[int]uint64
}

// LimitFiles lets each process open at most this many files. Those that are open stay. With an error no limit is in force.
func LimitFiles(pids []int, most uint64) (*FileLimit, error) {
	l := &FileLimit{most: most, before: make(map[int]unix.Rlimit), starts: make(map[int]uint64)}
	for _, pid := range pids {
		var old unix.Rlimit
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &old); err != nil {
			return nil, errors.Join(err, l.Restore())
		}
		l.before[pid], l.starts[pid] = old, Start(pid)
		now := unix.Rlimit{Cur: min(most, old.Max), Max: old.Max}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &now, nil); err != nil {
			return nil, errors.Join(err, l.Restore())
		}
	}
	return l, nil
}

// Restore gives every process that still exists its previous limit.
func (l *FileLimit) Restore() error {
	var failed []error
	for pid, old := range l.before {
		if Start(pid) != l.starts[pid] {
			continue
		}
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &old, nil); err != nil && !errors.Is(err, unix.ESRCH) {
			failed = append(failed, fmt.Errorf("pid %d: %w", pid, err))
		}
	}
	return errors.Join(failed...)
}

// Reached says whether a process is at the limit.
func (l *FileLimit) Reached() bool {
	for pid := range l.before {
		if uint64(len(Files(pid))) >= l.most {
			return true
		}
	}
	return false
}
