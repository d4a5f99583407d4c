//go:build !linux

package disk

import "errors"

var errSystem = errors.New("only Linux lets a folder of a container be filled")

// Room fails on this system, as do the others.
func Room(int, string) (int64, error)            { return 0, errSystem }
func Grow(int, File) (size, free int64, _ error) { return 0, 0, errSystem }
func Exists(int, File) (bool, error)             { return false, errSystem }
func Remove(int, File) error                     { return errSystem }
