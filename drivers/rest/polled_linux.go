package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"wringer/drivers"
)

// pendingRequest is an attempt whose request was sent and whose answer is awaited.
type pendingRequest struct {
	op       *drivers.Op
	at       *drivers.Attempt
	done     func() // nil: no request is pending
	deadline time.Duration
}

// polled is a connection of a loop. The runtime's poller does not know its socket, so an event on it wakes up no
// other goroutine.
type polled struct {
	pendingRequest
	fd      int
	network string
	socket  *socket // the dialled connection
	conn    conn    // its Conn is end
	end     bufferEnd
	looked  time.Duration // bytes that had arrived by then were taken
	place   int           // index in loop.pending
	stamped bool          // the last bytes had a timestamp
	stamp   [unix.SizeofCmsghdr + 8*8]byte
}

// bufferEnd is the Conn behind the buffer. A reader that has used all received bytes gets its error.
type bufferEnd struct {
	net.Conn
	err error
}

func (b *bufferEnd) Read([]byte) (int, error) { return 0, b.err }

// errMore is the error at the end of the buffer while more bytes may come.
var errMore = errors.New("the answer is not whole yet")

// adopt takes a session's idle connection. It returns nil if the session has none, or one that cannot be polled.
func adopt(s *session) *polled {
	if s.conn == nil || s.conn.r != s.conn.w {
		return nil
	}
	outer, ok := s.conn.Conn.(*socket)
	if !ok {
		return nil
	}
	switch outer.Conn.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return nil
	}
	fd := -1
	err := s.conn.peeker.raw.Control(func(its uintptr) {
		// The runtime's poller drops its own descriptor at Close. It does not know this duplicate.
		fd, _ = unix.FcntlInt(its, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err != nil || fd < 0 {
		return nil
	}
	_ = outer.Conn.Close()
	// On failure there are no timestamps, and the loop finds that by their absence.
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	p := &polled{fd: fd, network: s.d.network, socket: outer}
	p.conn.buf, p.conn.since = s.conn.buf, s.conn.since
	p.conn.Conn = &p.end
	s.conn, s.reader.c = nil, nil
	return p
}

// release turns p back into a session's connection, with the bytes received so far.
func (p *polled) release(s *session) error {
	file := os.NewFile(uintptr(p.fd), p.network)
	defer file.Close()
	c, err := net.FileConn(file)
	if err != nil {
		p.socket.Close()
		return err
	}
	p.socket.Conn = c
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		raw = nil
	}
	p.socket.raw = raw
	s.conn = newConn(p.socket, raw, false)
	s.conn.reused, s.conn.since, s.conn.base = true, p.conn.since, p.conn.base
	s.conn.buf, s.conn.w = p.conn.buf, p.conn.w
	s.reader.c = s.conn
	return nil
}

func (p *polled) close() {
	_ = unix.Close(p.fd)
	_ = p.socket.Close()
}

// stale reports whether an idle connection cannot carry a request: the peer closed it, or sent unrequested bytes.
func (p *polled) stale() bool {
	n, err := retry(readNow, uintptr(p.fd), p.conn.buf[:1])
	return n >= 0 || err != unix.EAGAIN
}

// write sends as many bytes as the socket takes at once.
func (p *polled) write(b []byte) (int, error) {
	n, err := retry(writeNow, uintptr(p.fd), b)
	if err == unix.EAGAIN {
		err = nil
	}
	n = max(n, 0)
	p.socket.sent.Add(int64(n))
	return n, p.failed("write", err)
}

func (p *polled) failed(op string, err error) error {
	if err == nil {
		return nil
	}
	p.socket.note(err)
	return &net.OpError{Op: op, Net: p.network, Err: os.NewSyscallError(op, err)}
}

// receive appends the bytes that arrived to the buffer, or sets the error at the buffer's end. age is the time since
// the bytes arrived, 0 if unknown. One byte of the buffer stays free, because a reader that finds the buffer full
// moves its content.
func (p *polled) receive() (age time.Duration, came bool) {
	in := p.conn.buf[p.conn.w : len(p.conn.buf)-1]
	part := unix.Iovec{Base: &in[0]}
	part.SetLen(len(in))
	message := unix.Msghdr{Iov: &part, Iovlen: 1, Control: &p.stamp[0]}
	message.SetControllen(len(p.stamp))
	n, _, err := syscall.RawSyscall(unix.SYS_RECVMSG, uintptr(p.fd), uintptr(unsafe.Pointer(&message)), 0)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return 0, false
	case err != 0:
		p.end.err = p.failed("read", err)
	case n == 0:
		p.end.err = io.EOF
	default:
		p.end.err = errMore
		p.conn.w += int(n)
		age, p.stamped = stampAge(p.stamp[:message.Controllen])
	}
	return age, true
}

// stampAge is the time since the kernel received the bytes of a message, by its control message SCM_TIMESTAMPNS
// (socket(7)).
func stampAge(control []byte) (time.Duration, bool) {
	const head = unix.SizeofCmsghdr
	if len(control) < head+int(unsafe.Sizeof(unix.Timespec{})) {
		return 0, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_SOCKET || h.Type != unix.SCM_TIMESTAMPNS {
		return 0, false
	}
	at := (*unix.Timespec)(unsafe.Pointer(&control[head]))
	return max(0, time.Duration(time.Now().UnixNano()-at.Nano())), true
}

// parse reads the answer from its beginning. It keeps all bytes if the answer is incomplete.
func (p *polled) parse(ctx context.Context, r *reader) error {
	buf, w := p.conn.buf, p.conn.w
	p.conn.r = 0
	err := r.read(ctx)
	if err == errMore {
		if len(p.conn.buf) > len(buf) {
			copy(p.conn.buf, buf[:w])
		} else {
			p.conn.buf = buf
		}
		p.conn.r, p.conn.w = 0, w
	}
	return err
}

// room makes room for more bytes. It returns false if the answer is too long to be read again from its beginning.
func (p *polled) room() bool {
	if p.conn.w < len(p.conn.buf)-1 {
		return true
	}
	if len(p.conn.buf) >= largeBuffer {
		return false
	}
	p.conn.grow()
	return true
}

// epoll waits for a time, and for sockets.
type epoll struct{ fd, timer int }

type events [128]unix.EpollEvent

func (w *epoll) open() (err error) {
	if w.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if w.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC); err != nil {
		unix.Close(w.fd)
		return os.NewSyscallError("timerfd_create", err)
	}
	if err = w.watch(w.timer); err != nil {
		_ = w.close()
	}
	return err
}

func (w *epoll) close() error { return errors.Join(unix.Close(w.timer), unix.Close(w.fd)) }

func (w *epoll) watch(fd int) error {
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(w.fd, unix.EPOLL_CTL_ADD, fd, &event))
}

func (w *epoll) unwatch(fd int) { _ = unix.EpollCtl(w.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// sleep waits exactly for d: a timerfd has no timer slack, as a sleeping thread has.
func (w *epoll) sleep(d time.Duration) {
	w.set(d)
	var expirations [8]byte
	_, _ = unix.Read(w.timer, expirations[:])
}

// wait waits for d, at most maxUnwatched, or until a socket is readable.
func (w *epoll) wait(d time.Duration) {
	w.set(d)
	var one [1]unix.EpollEvent
	_, _ = unix.EpollWait(w.fd, one[:], int(maxUnwatched/time.Millisecond)+1)
}

func (w *epoll) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, int64(d)))}
	_ = unix.TimerfdSettime(w.timer, 0, &spec, nil)
}

// poll fills to with the readable sockets, and returns their number.
func (w *epoll) poll(to *events) int {
	const noMask = 0
	n, _, err := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(w.fd), uintptr(unsafe.Pointer(&to[0])), uintptr(len(to)), 0, noMask, 0)
	if err != 0 {
		return 0
	}
	return int(n)
}
