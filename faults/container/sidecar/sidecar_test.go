package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// pair is a client with its sidecar.
func pair(t *testing.T, calls Calls) (c *Client, other net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	var served sync.WaitGroup
	served.Go(func() {
		if err := Serve(t.Context(), far, far, calls); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
	})
	c = NewClient(near)
	t.Cleanup(func() {
		_ = c.Close()
		far.Close()
		served.Wait()
	})
	return c, far
}

type sum struct{ A, B int }

var arithmetic = Calls{
	"add":  Typed(func(s sum) (any, error) { return s.A + s.B, nil }),
	"fail": func(json.RawMessage) (any, error) { return nil, errors.New("too bad") },
}

func TestCalls(t *testing.T) {
	c, _ := pair(t, arithmetic)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			var got int
			if err := c.Do(t.Context(), "add", sum{i, i}, &got); err != nil || got != 2*i {
				t.Errorf("%d and %d are %d, %v", i, i, got, err)
			}
		})
	}
	all.Wait()
	for call, want := range map[string]string{"fail": "too bad", "multiply": "another version"} {
		if err := c.Do(t.Context(), call, sum{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", call, err)
		}
		if err := arithmetic.Do(call, sum{}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s here: %v", call, err)
		}
	}
	var got int
	if err := arithmetic.Do("add", sum{1, 2}, &got); err != nil || got != 3 {
		t.Errorf("here: %d, %v", got, err)
	}
	if err := c.Do(t.Context(), "add", "no sum", nil); err == nil {
		t.Error("another input was taken")
	}
}

// A sidecar that ends in the middle of a call is told, and so is the end of the caller's patience.
func TestEnds(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	c, far := pair(t, Calls{"wait": func(json.RawMessage) (any, error) {
		close(begun)
		<-goOn
		return nil, nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	said := make(chan error)
	for _, ctx := range []context.Context{ctx, t.Context()} {
		go func() { said <- c.Do(ctx, "wait", nil, nil) }()
		if ctx != t.Context() {
			<-begun
			cancel()
			if err := <-said; !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		}
	}
	if c.Over() {
		t.Error("over before its end")
	}
	far.Close()
	if err := <-said; !errors.Is(err, ErrEnded) {
		t.Errorf("ended: %v", err)
	}
	close(goOn)
	if err := c.Do(t.Context(), "wait", nil, nil); !errors.Is(err, ErrEnded) || !c.Over() {
		t.Errorf("after its end: %v", err)
	}
}

// What is no line of a conversation ends it.
func TestStrangers(t *testing.T) {
	if err := Serve(t.Context(), strings.NewReader("GET / HTTP/1.1\n"), io.Discard, nil); err == nil {
		t.Error("served a stranger")
	}
	near, far := net.Pipe()
	defer far.Close()
	c := NewClient(near)
	go func() { _, _ = io.WriteString(far, "220 ready\n") }()
	if err := c.Do(t.Context(), "add", sum{}, nil); !errors.Is(err, ErrEnded) {
		t.Errorf("%v", err)
	}
	_ = c.Close()
}
