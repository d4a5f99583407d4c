package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// within calls do with a folder of a process's file system, as the process sees it. No link leads out of it.
func within(pid int, dir string, do func(folder *os.Root) error) error {
	whole, err := os.OpenRoot(fmt.Sprintf("/proc/%d/root", pid))
	if err != nil {
		return fmt.Errorf("%w: run as root", err)
	}
	defer whole.Close()
	folder, err := whole.OpenRoot(strings.TrimPrefix(path.Clean(dir), "/"))
	if err != nil {
		return err
	}
	defer folder.Close()
	return do(folder)
}

// space describes a folder in memory. What is no such folder is an error: it would fill a disk of the machine.
func space(folder *os.Root) (unix.Statfs_t, error) {
	var s unix.Statfs_t
	file, err := folder.Open(".")
	if err != nil {
		return s, err
	}
	defer file.Close()
	if err := unix.Fstatfs(int(file.Fd()), &s); err != nil {
		return s, err
	}
	if s.Type != unix.TMPFS_MAGIC || s.Blocks == 0 {
		return s, errors.New("it is no folder in memory of limited size")
	}
	return s, nil
}

// Room returns the free bytes of a folder in memory.
func Room(pid int, dir string) (free int64, err error) {
	err = within(pid, dir, func(folder *os.Root) error {
		s, err := space(folder)
		free = int64(s.Bavail) * s.Bsize
		return err
	})
	return free, err
}

// Grow makes the file larger until no more than f.Leave bytes are free, and returns its size and what is free then.
func Grow(pid int, f File) (size, free int64, err error) {
	err = within(pid, f.Dir, func(folder *os.Root) error {
		s, err := space(folder)
		if err != nil {
			return err
		}
		file, err := folder.OpenFile(f.Name, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer file.Close()
		if size, err = sizeOf(file); err != nil {
			return err
		}
		// Whole pages: less than a page of what is to be left is no room.
		more := int64(s.Bavail) - (f.Leave+s.Bsize-1)/s.Bsize
		if more > 0 {
			if err := fallocate(file, size, more*s.Bsize); err != nil {
				return err
			}
			if size, err = sizeOf(file); err != nil {
				return err
			}
		}
		if s, err = space(folder); err != nil {
			return err
		}
		free = int64(s.Bavail) * s.Bsize
		return nil
	})
	return size, free, err
}

func sizeOf(file *os.File) (int64, error) {
	at, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return at.Size(), nil
}

// fallocate gives a file more room. The container may have taken some of it meanwhile: then the file stays as it is, and is made
// larger at the next look.
func fallocate(file *os.File, from, length int64) error {
	err := unix.Fallocate(int(file.Fd()), 0, from, length)
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}

// Exists says whether the folder holds the file.
func Exists(pid int, f File) (there bool, err error) {
	err = within(pid, f.Dir, func(folder *os.Root) error {
		_, err := folder.Lstat(f.Name)
		there = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return there, err
}

// Remove removes the file. It is idempotent.
func Remove(pid int, f File) error {
	return within(pid, f.Dir, func(folder *os.Root) error {
		if err := folder.Remove(f.Name); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}
