//go:build unix

package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// keyboard hands on the keys of the terminal in file while this process is in the foreground of the terminal: another one that asks
// would be stopped. Ctrl-C and Ctrl-Z keep their effect. stop gives the terminal back; ok is false where there is none.
func keyboard(file *os.File, press func(keys string)) (stop func(), ok bool) {
	fd := int(file.Fd())
	before, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, false
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		readKeys(fd, quit, press)
	}()
	return func() {
		close(quit)
		<-done
		if foreground(fd) {
			_ = unix.IoctlSetTermios(fd, setTermios, before)
		}
	}, true
}

// readKeys reads until quit is closed. A read waits for a fifth of a second at most.
func readKeys(fd int, quit <-chan struct{}, press func(keys string)) {
	buffer := make([]byte, 64)
	for {
		select {
		case <-quit:
			return
		default:
		}
		n := 0
		if foreground(fd) && singleKeys(fd) == nil { // anew: a shell that had the terminal meanwhile sets its own mode
			n, _ = unix.Read(fd, buffer)
		} else {
			time.Sleep(200 * time.Millisecond)
		}
		if n > 0 {
			press(string(buffer[:n]))
		}
	}
}

func foreground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// singleKeys makes the terminal hand on each key at once, and not show it.
func singleKeys(fd int) error {
	t, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return err
	}
	if t.Lflag&(unix.ICANON|unix.ECHO) == 0 {
		return nil
	}
	t.Lflag &^= unix.ICANON | unix.ECHO
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 0, 2
	return unix.IoctlSetTermios(fd, setTermios, t)
}
