// Package toxi breaks network paths on the toxiproxy library, inside this process.
//
// What is used of the library is its data path alone: every connection over a link runs through two of its toxic links,
// each with one toxic of ours in the chain, installed before the first connection and never touched again. The toxic obeys
// orders that are swapped atomically. This is so because of what the library does (v2.12.0): adding or removing a toxic
// under load can deadlock a proxy for good; its accept loop dials the upstream one at a time without a timeout, so that one
// unreachable upstream stalls every client; and a refused upstream looks like an accepted connection that closes. A link
// therefore accepts and dials by itself: Dial first connects to the target, with the caller's context, and only then joins
// a loopback connection to it. What a dead target, an unknown host or a late answer to a SYN looks like to a driver is what
// it looks like without a link, and the target sees exactly one connection for each that the driver made.
//
// A connection over a link passes bytes in order and unchanged, or ends; it never skips any. Half-closing works from the
// target to the client, not the other way: a client that ends its side has left, as for the library itself.
package toxi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"wringer/faults"
)

// Mesh holds the links of a run. It implements faults.Mesh and is safe for concurrent use.
type Mesh struct {
	server  *toxiproxy.ApiServer
	network faults.Network
	door    *door
	dial    faults.DialFunc

	mu     sync.Mutex
	closed bool
	links  map[string]*Link
	inlets []*inlet
}

// The library keeps its toxics in a table of its own.
var register = sync.OnceFunc(func() { toxics.Register(toxicType, new(gate)) })

// NewMesh opens a mesh without links, which listen on network and make their connections to the targets by dial; nil dials on
// network, without bounds. It listens on one loopback port until it is closed.
func NewMesh(network faults.Network, dial faults.DialFunc) (*Mesh, error) {
	if dial == nil {
		dial = network.Dial
	}
	register()
	d, err := openDoor(network)
	if err != nil {
		return nil, err
	}
	return &Mesh{
		server:  toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		network: network,
		door:    d,
		dial:    dial,
		links:   map[string]*Link{},
	}, nil
}

// Link implements faults.Mesh.
func (m *Mesh) Link(name string) (faults.Link, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, fmt.Errorf("open link %s: the mesh is closed", name)
	}
	if l, ok := m.links[name]; ok {
		return l, nil
	}
	l, err := openLink(m, name)
	if err != nil {
		return nil, fmt.Errorf("open link %s: %w", name, err)
	}
	m.links[name] = l
	return l, nil
}

// Close implements faults.Mesh. Connections over the links end, and dials under way fail.
func (m *Mesh) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	links, inlets := slices.Collect(maps.Values(m.links)), m.inlets
	m.mu.Unlock()

	errs := []error{m.door.close()}
	for _, i := range inlets {
		errs = append(errs, i.close())
	}
	for _, l := range links {
		l.close()
	}
	for _, l := range links {
		errs = append(errs, l.wait(ctx))
	}
	for _, i := range inlets {
		errs = append(errs, i.wait(ctx))
	}
	return errors.Join(errs...)
}
