//go:build !linux

package command

import "syscall"

// ownGroup gives a command a process group of its own. Elsewhere than on Linux it outlives a harness that is killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
