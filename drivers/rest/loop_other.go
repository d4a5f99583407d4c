//go:build !linux

package rest

import "wringer/drivers"

// Poller implements drivers.Polled. On this system sessions send every request.
func (d *driver) Poller() (drivers.Poller, error) { return nil, nil }
