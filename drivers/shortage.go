package drivers

import (
	"strings"
	"syscall"
)

const noPort = "no local port or address is free: give more source addresses, or widen the port range (net.ipv4.ip_local_port_range)"

// shortages are the errors by which an attempt, or a part of it, never left because this machine ran out of something, and the remedy of each. The
// text of ENFILE holds that of EMFILE, and comes first.
var shortages = []struct {
	err    syscall.Errno
	remedy string
}{
	{syscall.EADDRNOTAVAIL, noPort},
	{syscall.EADDRINUSE, noPort}, // of a connection that leaves from an address of its own
	{syscall.ENFILE, "the machine has no file descriptor left: raise fs.file-max"},
	{syscall.EMFILE, "the process has no file descriptor left: raise ulimit -n, or lower the rate or max_in_flight"},
	{syscall.ENOBUFS, "the kernel has no buffer left: lower the rate, or give it more memory"},
	{syscall.ENOMEM, "the machine has no memory left: lower the rate, or give it more memory"},
}

// Unsent says why an attempt was not sent, or not to its end, by the run's own doing, and what to do about it; empty for all others. This
// machine ran out of something, or the scenario's value cannot be sent. The target had no part in what was not sent. Wire says whether a
// part was sent.
func (a *Attempt) Unsent() (remedy string) {
	switch {
	case a.Outcome == Acked || a.Detail == "":
		return ""
	case a.Code == CodeMessage:
		return "a value cannot be sent: " + a.Detail
	case a.Wire && !a.Cut || a.Answered:
		return ""
	}
	return Shortage(a.Detail)
}

// Shortage says what to do about an error by which this machine ran out of something; empty for all others.
func Shortage(detail string) (remedy string) {
	for i := range shortages {
		if strings.Contains(detail, shortages[i].err.Error()) {
			return shortages[i].remedy
		}
	}
	return ""
}
