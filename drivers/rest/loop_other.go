//go:build !linux

package rest

import "wringer/drivers"

// Loop implements drivers.Looped: here every request is a session's.
func (d *driver) Loop() (drivers.Loop, error) { return nil, nil }
