package record

import (
	"errors"
	"os"
	"syscall"
)

// spare holds file descriptors back, so that the record can be written when a run's connections took all others. The zero value
// holds none. Not safe for concurrent use.
type spare struct{ held []*os.File }

// Held back in all, and of these for the end alone: while a run goes on, a connection may take what a write gave up.
const (
	mostSpare = 8
	atTheEnd  = 4
)

// fill holds descriptors back, as many as are free.
func (s *spare) fill() {
	for len(s.held) < mostSpare {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		s.held = append(s.held, f)
	}
}

// write calls f. If no descriptor is left for it, write gives one up and calls f again, down to the last keep.
func (s *spare) write(keep int, f func() error) error {
	err := f()
	for exhausted(err) && len(s.held) > keep {
		s.free(len(s.held) - 1)
		err = f()
	}
	return err
}

// free gives up all but keep.
func (s *spare) free(keep int) {
	for len(s.held) > keep {
		last := len(s.held) - 1
		s.held[last].Close()
		s.held = s.held[:last]
	}
}

// exhausted says that the process or the machine has no descriptor left.
func exhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}
