//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package rest

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawExchange sends a request and reads the first bytes of the answer in one call into the runtime's poller. Write
// followed by Read costs one more system call: Read tries at once and finds nothing, because no target is that fast.
// Here the poller is prepared first, then the request is written, and the read waits for the poller.
type rawExchange struct {
	raw  syscall.RawConn // nil: raw exchanges are not possible
	step func(fd uintptr) bool

	// Of the current exchange.
	out, in []byte
	stage   stage
	sent    int // bytes of out
	got     int // bytes into in
	err     error
}

type stage uint8

const (
	looking stage = iota // whether the peer closed the idle connection or sent unrequested bytes
	sending
	waiting
)

func (x *rawExchange) init(raw syscall.RawConn) {
	x.raw = raw
	x.step = x.advance
}

// do makes one exchange on an idle connection: it sends out and reads the first bytes of the answer into in. If stale
// is set, the connection cannot carry a request and nothing was sent. Otherwise sent bytes of out were sent. If that
// is all of out, got bytes were read, or err says why not. do allocates nothing unless it fails.
//
// Subtleness ahead: preparing the poller clears its state. The look at the socket finds bytes that arrived before.
// Bytes after the request raise a new event. So the look must stay between the two.
func (x *rawExchange) do(out, in []byte) (stale bool, sent, got int, err error) {
	x.out, x.in = out, in
	x.stage, x.sent, x.got, x.err = looking, 0, 0, nil
	err = x.raw.Read(x.step)
	if err == nil {
		err = x.err
	}
	x.out, x.in = nil, nil
	return x.stage == looking, x.sent, x.got, err
}

// advance does as many steps as it can. It returns false to wait until the socket is readable.
func (x *rawExchange) advance(fd uintptr) (done bool) {
	if x.stage == looking {
		if n, err := retry(readNow, fd, x.in[:1]); n >= 0 || err != unix.EAGAIN {
			return true
		}
		x.stage = sending
	}
	if x.stage == sending {
		n, err := retry(writeNow, fd, x.out)
		x.sent = max(n, 0)
		if err != nil && err != unix.EAGAIN {
			x.err = err
			return true
		}
		if x.sent < len(x.out) {
			return true
		}
		x.stage = waiting
		return false
	}
	n, err := retry(readNow, fd, x.in)
	switch {
	case n > 0:
		x.got = n
	case err == unix.EAGAIN:
		return false
	case err != nil:
		x.err = err
	default:
		x.err = io.EOF
	}
	return true
}

// retry repeats a system call that a signal interrupted.
func retry(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		if n, err := call(int(fd), b); err != unix.EINTR {
			return n, err
		}
	}
}
