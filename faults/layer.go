package faults

import (
	"context"
	"log/slog"
	"net"
)

// ListeningLink is a link that the target's own connections can use, and that can have a protocol layer.
type ListeningLink interface {
	Link
	// Listen opens an inlet: connections to the inlet are carried over the link. It returns the address on which the inlet
	// listens. The inlet closes with the mesh.
	Listen(in Inlet) (string, error)
	// Lay puts a layer between the clients and the link, and returns the layer. A link has at most one layer: if it already
	// has one of the same protocol, Lay returns that one. It is called before the first connection; the layer does not see
	// earlier connections.
	Lay(protocol string, layer func() Layer) (Layer, error)
}

// Overlooked is an optional extra of a ListeningLink whose connections to the target can be looked at.
type Overlooked interface {
	// Overlook lets with make the dial function of the connections that inlets have to the target, from the present one. It is
	// called before the first Listen.
	Overlook(with func(DialFunc) DialFunc)
}

// Inlet is an address that the target connects to in place of a service.
type Inlet struct {
	// Address is the address to listen on: 127.0.0.1:0 for any port.
	Address string
	// Upstream returns the addresses to connect to; they are tried in order until one answers. It may block until ctx ends:
	// the link listens before the target is up, and the addresses are known only then.
	Upstream func(ctx context.Context) ([]string, error)
}

// Layer is a protocol spoken over a link. Its faults break the protocol above the bytes.
type Layer interface {
	// Carry passes on what client and target send each other until either ends, and closes both. It is called once per
	// connection, concurrently for many. It passes on unchanged what it does not understand. address is the target's
	// address as it was dialled.
	Carry(client, target net.Conn, address string)
}

// NeedsLayer is a Config whose fault breaks a protocol. The link must have the protocol's layer before the first
// connection.
type NeedsLayer interface {
	Config
	// Prepare lays the layer on the link.
	Prepare(link Link) error
}

// Protocol is an entry of `links` that speaks a protocol. The struct's yaml tags decode it.
type Protocol interface {
	// Check reports errors in the configuration itself.
	Check(problem func(field, message string))
	// Ends returns the address to listen on, and the addresses behind the link, separated by commas. The latter may hold
	// variables of the target in the form ${name}.
	Ends() (listen, upstream string)
	// Prepare lays the protocol on the link, before the link listens on address.
	Prepare(link Link, address string, log *slog.Logger) error
}
