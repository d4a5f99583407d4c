//go:build unix

package command

import (
	"os/exec"
	"syscall"
)

// killAll kills a started command with its group.
func killAll(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
