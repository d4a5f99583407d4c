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

// marker is the name of the environment variable that marks a process and its descendants as a run's own.
const marker = "WRINGER_RUN="

// leftover is what a killed run may leave behind: a process and its descendants.
type leftover struct {
	PID   int    `json:"pid"`   // of the leader, and so of the group
	Start uint64 `json:"start"` // of the leader, in the kernel's clock ticks since boot; 0 if unknown
	Run   string `json:"run"`   // the mark of the process and its descendants
	// Group is the folder of the cgroup that holds the process and its descendants; empty if there is none.
	Group string `json:"cgroup,omitempty"`
}

// Undo kills the rest of a process, its group and the descendants that left the group, frozen or not. It touches only the
// run's own processes. The leader is recognised by its start time, since pids are reused; the others by the mark in their
// environment.
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

// kill kills pid if it is the run's own. The handle is taken before the check, so a reused pid cannot be killed.
func (l leftover) kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return nil // the process is gone
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
