package rest

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// unread reports whether the peer surely read nothing of what was written after the first base bytes of the connection:
// none were written; or the peer's FIN came, it acknowledged none of these bytes, and the peer answered them with an RST. A
// FIN acknowledges all that its sender had received, so the peer had closed before. An RST alone proves nothing: it
// acknowledges nothing, and may follow bytes that were read. The caller writes nothing more.
func (s *socket) unread(ctx context.Context, base int64) bool {
	acked, turnedAway, open := s.awaitRST(ctx, base)
	if !open { // its other user closed the connection, and kept what it saw
		_ = s.Close()
		acked, turnedAway = s.ackedAtEnd, s.turnedAway
	}
	return s.sent.Load() <= base || turnedAway && acked <= base+1 // the count may hold the SYN
}

// awaitRST waits until the peer answered what it did not read with an RST, which takes one round trip. It returns the
// number of bytes that the peer acknowledged, and whether its FIN and then the RST came. It ends early once more than base
// bytes were acknowledged, with ctx, and after unreadWait. open is false if the connection is closed on our side.
func (s *socket) awaitRST(ctx context.Context, base int64) (acked int64, turnedAway, open bool) {
	for end, pause := time.Now().Add(unreadWait), 100*time.Microsecond; ; pause = min(2*pause, 10*time.Millisecond) {
		state, acked, open := s.acknowledged()
		switch {
		case !open || acked > base+1 || s.reset.Load():
			return acked, false, open
		case state == tcpClose:
			return acked, s.finCame(), true
		case ctx.Err() != nil || time.Now().After(end):
			return acked, false, true
		}
		time.Sleep(pause)
	}
}

// keepEnd keeps, before a shared connection is closed, what its end says of the requests that were on it.
func (s *socket) keepEnd() {
	if state, _, open := s.acknowledged(); open && (state == tcpClose || state == tcpCloseWait) {
		s.ackedAtEnd, s.turnedAway, _ = s.awaitRST(context.Background(), s.sent.Load()-2)
	}
}

// wasReset reports whether an RST ended the connection: what came before it can be read, and then the end.
func (s *socket) wasReset() bool {
	state, _, open := s.acknowledged()
	return open && state == tcpClose
}

const unreadWait = 500 * time.Millisecond

// TCP_CLOSE and TCP_CLOSE_WAIT of the kernel's states: here, that an RST came, and that a FIN came.
const (
	tcpClose     = 7
	tcpCloseWait = 8
)

// acknowledged returns the connection's state and the number of bytes that the peer acknowledged.
func (s *socket) acknowledged() (state uint8, acked int64, ok bool) {
	if s.raw == nil {
		return 0, 0, false
	}
	var info *unix.TCPInfo
	err := s.raw.Control(func(fd uintptr) {
		info, _ = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	if err != nil || info == nil {
		return 0, 0, false
	}
	return info.State, int64(info.Bytes_acked), true
}

// finCame reports whether the peer's FIN came. Linux reports a FIN even if an RST came after it.
func (s *socket) finCame() bool {
	rest := make([]byte, 4<<10) // TLS leaves bytes behind a close_notify
	for range 16 {
		n, err := s.readNow(rest)
		if n == 0 && err == nil {
			return true
		}
		if err != nil {
			return false
		}
	}
	return false
}

// readNow reads what has come, without waiting. It returns 0 bytes and no error after the FIN.
func (s *socket) readNow(p []byte) (n int, err error) {
	if control := s.raw.Control(func(fd uintptr) { n, err = retry(readNow, fd, p) }); control != nil {
		return -1, control
	}
	return n, err
}
