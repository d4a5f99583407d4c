//go:build !linux

package pressure

import "errors"

var errSystem = errors.New("only Linux lets a folder of a container be filled")

func room(int, string) (int64, error)                             { return 0, errSystem }
func grow(int, string, string, int64) (size, free int64, _ error) { return 0, 0, errSystem }
func exists(int, string, string) (bool, error)                    { return false, errSystem }
func remove(int, string, string) error                            { return errSystem }
