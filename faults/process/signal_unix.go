//go:build unix

package process

import "syscall"

// unsupported is why this system cannot run processes as a target; nil: it can.
var unsupported error

// The signals that freeze a process and let it go on.
const (
	sigStop = syscall.SIGSTOP
	sigCont = syscall.SIGCONT
)

// signal sends a signal to a process, or to a group where pid is negative.
func signal(pid int, s syscall.Signal) error { return syscall.Kill(pid, s) }
