package integrity

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time of this thread: beside other load it is more exact than the wall clock.
func threadTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
