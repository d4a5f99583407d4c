package containertest

import (
	"sync"
	"testing"
)

// AtOnce is how many things a pool holds, and how many tests of a package that starts containers run at once: they wait for the
// engine more than they work.
const AtOnce = 4

// Pool lends containers to tests, each to one test at a time: starting them for every test would take most of the tests' time.
// A test that succeeded left its loan as it was; the loan of a failed test is never lent again.
type Pool[T any] struct {
	free chan T

	mu   sync.Mutex
	left int
}

// NewPool starts what the pool lends. Everything lives as long as t.
func NewPool[T any](t *testing.T, start func() T) *Pool[T] {
	t.Helper()
	p := &Pool[T]{free: make(chan T, AtOnce), left: AtOnce}
	for range AtOnce {
		p.free <- start()
	}
	return p
}

// Take waits for a loan, which ends with the test.
func (p *Pool[T]) Take(t *testing.T) T {
	t.Helper()
	loan, ok := <-p.free
	if !ok {
		t.Fatal("tests failed before this one, and nothing that they borrowed is lent again: mend those first")
	}
	t.Cleanup(func() {
		if !t.Failed() {
			p.free <- loan
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.left--; p.left == 0 {
			close(p.free)
		}
	})
	return loan
}
