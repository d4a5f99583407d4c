package process

import (
	"errors"
	"syscall"
)

// unsupported is why this system cannot run processes as a target.
var unsupported = errors.New("processes are not started on Windows, which has no process groups and no signals: run wringer in WSL, or start the target apart from the run")

// Signals that no Windows has: no process is ever started to get one.
const (
	sigStop = syscall.Signal(19)
	sigCont = syscall.Signal(18)
)

func signal(int, syscall.Signal) error { return unsupported }

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
