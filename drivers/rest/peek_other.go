//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package rest

import "syscall"

// peeker cannot look at sockets here: a connection that the peer closed while it was idle shows as an attempt that ended
// with the code closed or reset.
type peeker struct{}

func (p *peeker) init(syscall.RawConn) {}
func (p *peeker) peek() peeked         { return peekNothing }
