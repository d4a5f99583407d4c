//go:build !linux

package packets

import "errors"

var errSystem = errors.New("only Linux can count and drop packets in a container's network namespace")

// Reachable fails on this system, as do the others.
func Reachable(int) error                      { return errSystem }
func Install(int, Table) error                 { return errSystem }
func Counters(int, string) ([]Tally, error)    { return nil, errSystem }
func Exists(int, string) (found bool, _ error) { return false, errSystem }
func Remove(int, string) error                 { return errSystem }
