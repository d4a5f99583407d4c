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

func (t *rawExchange) init(raw syscall.RawConn) {
	t.raw = raw
	t.step = t.advance
}

// do makes one exchange on an idle connection: it sends out and reads the first bytes of the answer into in. If stale
// is set, the connection cannot carry a request and nothing was sent. Otherwise sent bytes of out were sent. If that
// is all of out, got bytes were read, or err says why not. do allocates nothing unless it fails.
//
// Subtleness ahead: preparing the poller clears its state. The look at the socket finds bytes that arrived before.
// Bytes after the request raise a new event. So the look must stay between the two.
func (t *rawExchange) do(out, in []byte) (stale bool, sent, got int, err error) {
	t.out, t.in = out, in
	t.stage, t.sent, t.got, t.err = looking, 0, 0, nil
	err = t.raw.Read(t.step)
	if err == nil {
		err = t.err
	}
	t.out, t.in = nil, nil
	return t.stage == looking, t.sent, t.got, err
}

// advance does as many steps as it can. It returns false to wait until the socket is readable.
func (t *rawExchange) advance(fd uintptr) (done bool) {
	if t.stage == looking {
		if n, err := retry(readNow, fd, t.in[:1]); n >= 0 || err != unix.EAGAIN {
			return true
		}
		t.stage = sending
	}
	if t.stage == sending {
		n, err := retry(writeNow, fd, t.out)
		t.sent = max(n, 0)
		if err != nil && err != unix.EAGAIN {
			t.err = err
			return true
		}
		if t.sent < len(t.out) {
			return true
		}
		t.stage = waiting
		return false
	}
	n, err := retry(readNow, fd, t.in)
	switch {
	case n > 0:
		t.got = n
	case err == unix.EAGAIN:
		return false
	case err != nil:
		t.err = err
	default:
		t.err = io.EOF
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
