package runner

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// timerfd is a timer of the kernel's that the runtime's poller waits for like for a socket: to some 50 us, and without
// holding a processor.
type timerfd struct{ file *os.File }

func openNapper() napper {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil
	}
	return &timerfd{os.NewFile(uintptr(fd), "timerfd")}
}

func (t *timerfd) nap(d time.Duration) error {
	raw, err := t.file.SyscallConn()
	if err != nil {
		return err
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	var failed error
	if err := raw.Control(func(fd uintptr) { failed = unix.TimerfdSettime(int(fd), 0, &spec, nil) }); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	var expirations [8]byte
	_, err = t.file.Read(expirations[:])
	return err
}

func (t *timerfd) close() { t.file.Close() }
