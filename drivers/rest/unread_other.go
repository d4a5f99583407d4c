//go:build !linux

package rest

import "context"

// unread proves nothing on this system.
func (s *socket) unread(context.Context, int64) bool { return false }

func (s *socket) keepEnd() {}

func (s *socket) wasReset() bool { return false }
