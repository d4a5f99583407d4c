package kafka

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp says whether the peer has closed its side of a connection. It does not block, and reads nothing. Of a connection
// that is no socket it knows nothing.
func hungUp(conn net.Conn) (yes bool) {
	for {
		inner, ok := conn.(interface{ NetConn() net.Conn }) // TLS
		if !ok {
			break
		}
		conn = inner.NetConn()
	}
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { // an error means that we have closed the connection; the write says so
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(ready, 0)
		yes = err == nil && n > 0 && ready[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return yes
}
