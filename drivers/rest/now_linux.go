package rest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// briefly bounds what a call moves that the runtime is not told of. In bytes: nobody waits for the processor as long as to notice.
const briefly = 64 << 10

// readNow and writeNow are unix.Read and unix.Write for sockets that never block. The runtime is not told that a call may take long,
// and so takes nothing away meanwhile: that costs as much as a twentieth of a request.
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
