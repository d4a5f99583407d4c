//go:build unix

package faults

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// noFollow refuses to open a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// lock takes the journal's file for as long as it is open.
func lock(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrAlive
	}
	return err
}

// removeOpen removes a file and closes it. While it is removed, nobody else can lock it.
func removeOpen(file *os.File, path string) error { return errors.Join(remove(path), file.Close()) }

// foreign says whether a file is of another user, or can be read by one.
func foreign(at fs.FileInfo) bool {
	owner, ok := at.Sys().(*syscall.Stat_t)
	return at.Mode().Perm()&0o077 != 0 || ok && int(owner.Uid) != os.Getuid()
}
