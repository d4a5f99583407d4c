//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package rest

import "syscall"

// peeker cannot look at sockets on this system. A connection that the peer closed while idle shows as an attempt with
// the code closed or reset.
type peeker struct{}

func (p *peeker) init(syscall.RawConn) {}
func (p *peeker) peek() peeked         { return peekNothing }
