//go:build !linux

package rest

import "wringer/drivers"

// Poller implements drivers.Polled: here every request is a session's.
func (d *driver) Poller() (drivers.Poller, error) { return nil, nil }
