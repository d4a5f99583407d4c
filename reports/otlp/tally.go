package otlp

import (
	"errors"
	"fmt"
	"sync"
)

// tally counts what was exported and what was not. It is safe for concurrent use.
type tally struct {
	what, place string
	failed      func(error) // takes the first failure, at once

	mu             sync.Mutex
	good, missing  int64
	failure        error // the last
	failureOfFirst bool  // was told
}

// exported counts n of what was exported, or of what was not because of err.
func (t *tally) exported(n int64, err error) {
	t.mu.Lock()
	if err == nil {
		t.good += n
		t.mu.Unlock()
		return
	}
	t.missing, t.failure = t.missing+n, clipped(err)
	first := !t.failureOfFirst && t.failed != nil
	t.failureOfFirst = true
	t.mu.Unlock()
	if first {
		t.failed(fmt.Errorf("export %s to %s: %w", t.what, t.place, clipped(err)))
	}
}

// err tells what is missing; nil: nothing is.
func (t *tally) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.missing == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d %s were not exported to %s, the last of them because: %w", t.missing, t.good+t.missing, t.what, t.place, t.failure)
}

// clipped bounds the text of an error: a collector's answer may be long.
func clipped(err error) error {
	const most = 300
	if text := err.Error(); len(text) > most {
		return errors.New(text[:most])
	}
	return err
}
