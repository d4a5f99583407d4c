package integrity

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time that this thread has had: beside other load it tells more than the wall clock.
func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
