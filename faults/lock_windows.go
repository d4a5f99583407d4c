package faults

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// noFollow: Windows has no such flag. The caller looks at the path first.
const noFollow = 0

// lock takes the journal's file for as long as it is open. The locked byte lies far beyond the file's end, so that others can read.
func lock(file *os.File) error {
	const flags = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	err := windows.LockFileEx(windows.Handle(file.Fd()), flags, 0, 1, 0, &windows.Overlapped{OffsetHigh: 1 << 30})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return ErrAlive
	}
	return err
}

// removeOpen closes a file and removes it: Windows removes no file that is open.
func removeOpen(file *os.File, path string) error { return errors.Join(file.Close(), remove(path)) }

// foreign says whether a file can be read by others. What Go tells of a file on Windows names no owner and no readers: the folder of
// the key is the user's own.
func foreign(fs.FileInfo) bool { return false }
