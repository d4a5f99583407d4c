package checks

import (
	"fmt"
	"regexp"

	"wringer/drivers"
)

// Names numbers the checks of a stream that have a name, over all its requests. The zero value has none.
type Names []string

var checkName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)

// Add takes the name of a check, and returns its bit in Attempt.Checked and Failed: 0 without a name, and with one that is wrong.
func (n *Names) Add(name string) (bit uint64, err error) {
	if name == "" {
		return 0, nil
	}
	if !checkName.MatchString(name) {
		return 0, fmt.Errorf("%q is no name: write letters, digits, - and _, at most 50", name)
	}
	for _, other := range *n {
		if other == name {
			return 0, fmt.Errorf("two checks are named %s; a gate means one of them", name)
		}
	}
	if len(*n) == drivers.MaxCheckNames {
		return 0, fmt.Errorf("more than %d checks have a name", drivers.MaxCheckNames)
	}
	*n = append(*n, name)
	return 1 << (len(*n) - 1), nil
}

// Set are the checks of one request, in order, of answers of the type A. It is read only once made. The zero value has none.
type Set[A any] struct {
	all []entry[A]
}

// entry is one check.
type entry[A any] struct {
	name    string
	bit     uint64
	failing func(a A, op *drivers.Op) string
}

// Add adds a check. bit is that of its name, 0 without one. failing returns why an answer fails it, "" if it does not.
func (s *Set[A]) Add(name string, bit uint64, failing func(a A, op *drivers.Op) string) {
	s.all = append(s.all, entry[A]{name, bit, failing})
}

// Judge returns why the first check that fails does, "" if all hold. Those with a name are applied even after one failed, because gates
// count each.
func (s *Set[A]) Judge(a A, op *drivers.Op, at *drivers.Attempt) (why string) {
	for i := range s.all {
		e := &s.all[i]
		at.Checked |= e.bit
		if why != "" && e.bit == 0 {
			continue
		}
		failed := e.failing(a, op)
		if failed == "" {
			continue
		}
		at.Failed |= e.bit
		if why == "" && e.name != "" {
			failed = "check " + e.name + ": " + failed
		}
		if why == "" {
			why = failed
		}
	}
	return why
}
