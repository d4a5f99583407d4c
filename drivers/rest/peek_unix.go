//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package rest

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// peeker looks at a socket without waiting and without taking bytes from it. A look that finds nothing costs one
// system call and no allocation. There is one look an attempt.
type peeker struct {
	raw  syscall.RawConn // nil if the socket cannot be looked at
	look func(fd uintptr)
	poll [1]unix.PollFd
	seen peeked
}

func (p *peeker) init(raw syscall.RawConn) {
	p.raw = raw
	p.look = func(fd uintptr) { p.seen = p.examine(int(fd)) }
}

func (p *peeker) peek() peeked {
	if p.raw == nil {
		return peekNothing
	}
	// Control is used instead of Read because Read fails on a connection whose deadline has passed. An idle
	// connection's deadline may have.
	if err := p.raw.Control(p.look); err != nil {
		return peekEnd
	}
	return p.seen
}

func (p *peeker) examine(fd int) peeked {
	p.poll[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}
	if n, err := unix.Poll(p.poll[:], 0); n == 0 || err == unix.EINTR {
		return peekNothing
	}
	var b [1]byte
	n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	switch {
	case n > 0:
		return peekData
	case err == unix.EAGAIN || err == unix.EINTR:
		return peekNothing
	}
	return peekEnd
}
