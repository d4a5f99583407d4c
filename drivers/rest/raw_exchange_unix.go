//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package rest

import (
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// rawExchange sends a request and takes the first bytes of its answer in one visit to the poller. A Write and a Read cost a
// system call more: the Read, tried at once, finds nothing, because no target is that fast. Here the poller is readied
// first, then the request is written, and the read waits for its turn.
type rawExchange struct {
	raw  syscall.RawConn // nil: there is no socket to take turns on
	step func(fd uintptr) bool

	// Of the turn under way.
	out, in []byte
	stage   stage
	sent    int // bytes of out
	got     int // bytes into in
	err     error
}

type stage uint8

const (
	looking stage = iota // whether the peer closed the idle connection, or sent what nobody asked for
	sending
	waiting
)

func (t *rawExchange) init(raw syscall.RawConn) {
	t.raw = raw
	t.step = t.advance
}

// do makes one turn on a connection that was idle: out is sent, and what came first is read into in. stale: the
// connection cannot carry a request, and nothing was sent. Else sent bytes of out were; when that is all, got bytes were
// read, or err says why none. It allocates nothing while all goes well.
//
// Subtleness ahead: readying the poller forgets what it knew. What came before it is found by looking, and what comes after
// the request is an event of its own; so the look must stay between the two.
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

// advance goes on as far as it can, and returns false to wait until there is something to read.
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

// retry makes a system call again that a signal interrupted.
func retry(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		if n, err := call(int(fd), b); err != unix.EINTR {
			return n, err
		}
	}
}
