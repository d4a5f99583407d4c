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
