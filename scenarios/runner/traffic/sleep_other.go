//go:build !linux

package traffic

// openPreciseSleeper returns nil: on this system the sender waits with the runtime's timers alone.
func openPreciseSleeper() preciseSleeper { return nil }
