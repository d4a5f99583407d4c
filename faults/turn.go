package faults

import "context"

// Turn lets one call in at a time. In contrast to a mutex, waiting for the turn ends with a context. NewTurn makes one.
type Turn chan struct{}

// NewTurn is a turn that nobody has.
func NewTurn() Turn { return make(Turn, 1) }

// Lock waits for the turn. It returns the error of ctx if ctx ends first.
func (t Turn) Lock(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Unlock gives the turn to the next.
func (t Turn) Unlock() { <-t }
