//go:build !linux

package netcut

import "errors"

var errSystem = errors.New("only Linux can drop packets in a container's network namespace")

func reachable(int) error                      { return errSystem }
func install(int, string, []source) error      { return errSystem }
func counters(int, string) ([]tally, error)    { return nil, errSystem }
func exists(int, string) (found bool, _ error) { return false, errSystem }
func remove(int, string) error                 { return errSystem }
