package logfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// names counts the files that take a name in a folder. The kernel queues each event before the call that causes it returns, so no look
// between two events is needed. It knows nothing of what another machine does in a shared folder.
type names struct {
	path string
	fd   int // -1: the folder is not watched
}

func watchNames(path string) *names { return &names{path: path, fd: -1} }

// came returns how many files took the name since the last call, and 0 while the folder cannot be watched.
func (n *names) came() (count int, err error) {
	if n.fd < 0 && !n.begin() {
		return 0, nil
	}
	events := make([]byte, 16<<10)
	for {
		size, err := unix.Read(n.fd, events)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return count, nil
		case err != nil:
			return count, fmt.Errorf("watch the folder of %s: %w", n.path, err)
		}
		more, gone, err := n.count(events[:size])
		if count += more; err != nil {
			return count, err
		}
		if gone {
			n.close()
			return count, nil
		}
	}
}

// begin watches the folder, if it is there.
func (n *names) begin() bool {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return false
	}
	n.fd = fd
	const events = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	if _, err := unix.InotifyAddWatch(fd, filepath.Dir(n.path), events); err != nil {
		n.close()
		return false
	}
	return true
}

// count reads events. gone: the folder is no longer the one of that name.
func (n *names) count(events []byte) (count int, gone bool, err error) {
	name := []byte(filepath.Base(n.path))
	for len(events) >= unix.SizeofInotifyEvent {
		mask := binary.NativeEndian.Uint32(events[4:])
		end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(events[12:]))
		switch of := bytes.TrimRight(events[unix.SizeofInotifyEvent:end], "\x00"); {
		case mask&unix.IN_Q_OVERFLOW != 0:
			return count, false, fmt.Errorf("more happened in the folder of %s than can be followed: whether it was rotated is not known", n.path)
		case mask&(unix.IN_DELETE_SELF|unix.IN_MOVE_SELF|unix.IN_IGNORED|unix.IN_UNMOUNT) != 0:
			gone = true
		case bytes.Equal(of, name):
			count++
		}
		events = events[end:]
	}
	return count, gone, nil
}

func (n *names) close() {
	if n.fd >= 0 {
		unix.Close(n.fd)
		n.fd = -1
	}
}
