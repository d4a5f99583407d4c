package faults

import (
	"context"
	"net"
)

// Network is where a run listens and dials. The zero value is the system's network. It is safe for concurrent use.
type Network struct {
	// ListenFunc is net.Listen of another network, and DialFunc net.Dialer's DialContext; nil: the system's.
	ListenFunc func(network, address string) (net.Listener, error)
	DialFunc   DialFunc
	// Virtual says that connections are no sockets, and that time may be virtual too: nothing may wait for the kernel then,
	// neither for a socket nor for a timer. The process's CPU time says nothing about the run's seconds.
	Virtual bool
}

// Listen opens a listener.
func (n Network) Listen(network, address string) (net.Listener, error) {
	if n.ListenFunc == nil {
		return net.Listen(network, address)
	}
	return n.ListenFunc(network, address)
}

// Dial makes a connection. It blocks until there is one, at most until ctx ends.
func (n Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if n.DialFunc == nil {
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	}
	return n.DialFunc(ctx, network, address)
}
