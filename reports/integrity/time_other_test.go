//go:build !linux

package integrity

import (
	"testing"
	"time"
)

// threadTime is the wall clock, where a thread's own time is not available: run it on a quiet machine.
func threadTime(*testing.B) time.Duration { return time.Duration(time.Now().UnixNano()) }
