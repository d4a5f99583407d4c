package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// UndoKind is the kind of this package's entries in a journal.
const UndoKind = "process"

// marker begins the environment entry that marks a process, and all that it starts, as a run's own.
const marker = "WRINGER_RUN="

// left is what a run that was killed may leave behind: a process and what it started.
type leftover struct {
	PID   int    `json:"pid"`   // of the leader, and of the group
	Start uint64 `json:"start"` // of the leader, in the kernel's clock ticks since boot; 0 where the system does not tell
	Run   string `json:"run"`   // the mark of it and of all that it started
	// Group is the folder of the cgroup that holds it and all that it started; empty where there is none.
	Group string `json:"cgroup,omitempty"`
}

// Undo kills what is left of a process, its group and what left the group, frozen or not. It touches only what the run made: the leader by the time of its
// start, since numbers are used again, and the others by the mark in their environment.
func Undo(_ context.Context, data json.RawMessage) error {
	var l leftover
	if err := json.Unmarshal(data, &l); err != nil {
		return fmt.Errorf("entry of a process: %w", err)
	}
	if l.PID <= 1 || l.Run == "" {
		return fmt.Errorf("entry of a process: pid %d of run %q cannot be", l.PID, l.Run)
	}
	killLeftGroup(l.Group)
	var failed []error
	for _, pid := range append(group(l.PID), withMark(l.Run)...) {
		failed = append(failed, l.kill(pid))
	}
	return errors.Join(failed...)
}

// kill kills pid if it is the run's own. The handle is taken before the look: it stays with the process that was looked at.
func (l leftover) kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil // it is gone
	}
	defer p.Release()
	leader := pid == l.PID && l.Start != 0 && startOf(pid) == l.Start
	if !leader && !marked(pid, marker+l.Run) {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill pid %d: %w", pid, err)
	}
	return nil
}
