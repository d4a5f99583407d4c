//go:build unix

package main

import "syscall"

// mostFiles is the most files and sockets that this process may have open; 0: not known.
func mostFiles() int {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		return 0
	}
	return int(min(uint64(files.Max), 1<<31-1))
}
