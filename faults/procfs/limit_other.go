//go:build !linux

package procfs

import "errors"

// FileLimit is a limit of open files in force. There is none on this system.
type FileLimit struct{}

// LimitFiles fails: this system does not limit the files of another process.
func LimitFiles([]int, uint64) (*FileLimit, error) {
	return nil, errors.New("this system cannot limit the open files of another process: run on Linux")
}

// Restore does nothing.
func (*FileLimit) Restore() error { return nil }

// Reached is false.
func (*FileLimit) Reached() bool { return false }
