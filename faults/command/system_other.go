//go:build unix && !linux

package command

import "syscall"

// ownGroup gives a command a process group of its own. On systems other than Linux the command survives a killed harness.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
