package drivers

import (
	"strings"
	"syscall"
)

// shortages are the errors by which an attempt never left because this machine ran out of something, and the remedy of each. The
// text of ENFILE holds that of EMFILE, and comes first.
var shortages = []struct {
	err    syscall.Errno
	remedy string
}{
	{syscall.EADDRNOTAVAIL, "no local port or address is free: give more source addresses, or widen the port range (net.ipv4.ip_local_port_range)"},
	{syscall.ENFILE, "the machine has no file descriptor left: raise fs.file-max"},
	{syscall.EMFILE, "the process has no file descriptor left: raise ulimit -n, or lower the rate or max_in_flight"},
	{syscall.ENOBUFS, "the kernel has no buffer left: lower the rate, or give it more memory"},
	{syscall.ENOMEM, "the machine has no memory left: lower the rate, or give it more memory"},
}

// Shortage says what to do about an attempt that never left because this machine ran out of something; empty for all others. The
// target had no part in such an attempt.
func (a *Attempt) Shortage() (remedy string) {
	if a.Wire || a.Answered || a.Outcome == Acked || a.Detail == "" {
		return ""
	}
	for i := range shortages {
		if strings.Contains(a.Detail, shortages[i].err.Error()) {
			return shortages[i].remedy
		}
	}
	return ""
}
