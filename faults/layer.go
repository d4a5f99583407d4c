package faults

import (
	"context"
	"log/slog"
	"net"
)

// ListeningLink is a link that the target's own connections can run over, and that a protocol can be laid on.
type ListeningLink interface {
	Link
	// Listen opens an inlet: whoever connects to it is carried over the link. It returns the address that it listens on.
	// The inlet closes with the mesh.
	Listen(in Inlet) (string, error)
	// Lay puts a layer between the clients and the link, and returns it; a link bears one, and returns the one it has when
	// the protocol is the same. It is called before the first connection is made: those before know nothing of it.
	Lay(protocol string, layer func() Layer) (Layer, error)
}

// Inlet is an address that the target is pointed at in place of the service it calls.
type Inlet struct {
	// Address is what it listens on: 127.0.0.1:0 for any port.
	Address string
	// Upstream returns where connections go, one address after the other until one answers. It may block until ctx ends:
	// the link listens before the target is up, and its address is known only then.
	Upstream func(ctx context.Context) ([]string, error)
}

// Layer is a protocol spoken over a link, which faults of its own kind break above the bytes.
type Layer interface {
	// Carry passes on what client and target say to each other until either ends, and closes both. It is called once for
	// each connection, at the same time for many. What it does not understand it passes on unchanged. address is where the
	// target was dialled.
	Carry(client, target net.Conn, address string)
}

// NeedsLayer is a Config whose fault breaks a protocol: its layer must lie on the link before the first connection.
type NeedsLayer interface {
	Config
	// Prepare lays the layer on the link.
	Prepare(link Link) error
}

// Protocol is an entry of `links` that speaks one, decoded by the struct's yaml tags.
type Protocol interface {
	// Check reports what is wrong in itself.
	Check(problem func(field, message string))
	// Ends are the address to listen on, and the addresses behind, separated by commas. The latter may hold variables of
	// the target's in the form ${name}.
	Ends() (listen, upstream string)
	// Prepare lays the protocol on the link, before it listens.
	Prepare(link Link, log *slog.Logger) error
}
