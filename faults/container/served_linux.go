package container

import (
	"net"

	"golang.org/x/sys/unix"
)

// servedHere says that a process beside this one listens at the socket: the kernel tells which, and 0 for one outside of this
// process's container.
func servedHere(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	control := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return control == nil && err == nil && peer.Pid > 0
}
