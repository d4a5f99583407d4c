package rest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// briefly bounds the bytes moved by a call that the runtime does not know about. The call is too short for any
// goroutine to miss the processor.
const briefly = 64 << 10

// readNow and writeNow are unix.Read and unix.Write for sockets that never block. They do not tell the runtime that a
// call may block. Telling it costs a twentieth of a request.
func readNow(fd int, b []byte) (int, error) { return briefCall(unix.SYS_READ, unix.Read, fd, b) }

func writeNow(fd int, b []byte) (int, error) { return briefCall(unix.SYS_WRITE, unix.Write, fd, b) }

func briefCall(trap uintptr, otherwise func(int, []byte) (int, error), fd int, b []byte) (int, error) {
	if len(b) == 0 || len(b) > briefly {
		return otherwise(fd, b)
	}
	n, _, err := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if err != 0 {
		return -1, err
	}
	return int(n), nil
}
