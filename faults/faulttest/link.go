package faulttest

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"wringer/faults"
)

// OpenLink opens a link of mesh that listens on loopback, and returns it with its address. prepare makes it ready for its protocol.
// The mesh closes with the test.
func OpenLink(t testing.TB, mesh faults.Mesh, name string, prepare func(faults.Link) error, upstream ...string) (link faults.Link, address string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := mesh.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	link, err := mesh.Link(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := prepare(link); err != nil {
		t.Fatal(err)
	}
	address, err = link.(faults.ListeningLink).Listen(faults.Inlet{Address: "127.0.0.1:0", Upstream: func(context.Context) ([]string, error) { return upstream, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return link, address
}

// Open checks a fault's configuration, and opens the fault on a link.
func Open(t testing.TB, config faults.Config, env faults.Env) faults.Fault {
	t.Helper()
	config.Check(func(field, message string) { t.Errorf("%s: %s", field, message) })
	f, err := config.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// OnLink is the environment of a fault on a link.
func OnLink(link faults.Link) faults.Env {
	return faults.Env{Seed: 7, Link: func(string) (faults.Link, error) { return link, nil }}
}

// Inject brings a fault into force.
func Inject(t testing.TB, f faults.Fault) {
	t.Helper()
	if err := f.Inject(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Heal takes a fault away, and fails the test unless everything is whole after that.
func Heal(t testing.TB, f faults.Fault) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := errors.Join(f.Heal(ctx), f.Probe(ctx)); err != nil {
		t.Fatal(err)
	}
}

// AnswerAtTheEnd starts a target that answers each connection once its client has ended its writing side, and returns its address.
func AnswerAtTheEnd(t testing.TB, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c)
				_, _ = io.WriteString(c, answer)
			}()
		}
	}()
	return l.Addr().String()
}
