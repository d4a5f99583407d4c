package command

import (
	"os/exec"
	"syscall"
)

// ownGroup: Windows has no process groups. The command survives a killed harness.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

// killAll kills a started command alone. Its descendants go on.
func killAll(cmd *exec.Cmd) error { return cmd.Process.Kill() }
