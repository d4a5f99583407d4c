//go:build unix && !linux

package rest

import "golang.org/x/sys/unix"

func readNow(fd int, b []byte) (int, error) { return unix.Read(fd, b) }

func writeNow(fd int, b []byte) (int, error) { return unix.Write(fd, b) }
