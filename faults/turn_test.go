package faults

import (
	"context"
	"errors"
	"testing"
)

func TestTurn(t *testing.T) {
	turn := NewTurn()
	if err := turn.Lock(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := turn.Lock(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the turn was had twice: %v", err)
	}
	next := make(chan error)
	go func() { next <- turn.Lock(t.Context()) }()
	turn.Unlock()
	if err := <-next; err != nil {
		t.Error(err)
	}
}
