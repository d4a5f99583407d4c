//go:build !linux

package host

// unixPeers is not known on this system.
func unixPeers() map[string]string { return nil }
