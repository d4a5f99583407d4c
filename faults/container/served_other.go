//go:build !linux

package container

// servedHere is asked on Linux alone: elsewhere no process runs in a container.
func servedHere(string) bool { return true }
