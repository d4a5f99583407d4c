package imagetest

import (
	"os/exec"
	"syscall"
	"time"
)

// endsAll makes the end of the command's context end all that the command started: scripts start programs.
func endsAll(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = 5 * time.Second
}
