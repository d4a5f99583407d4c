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
	server   *toxiproxy.ApiServer
	network  faults.Network
	loopback *loopbackPairs
	dial     faults.DialFunc

	mu     sync.Mutex
	closed bool
	links  map[string]*Link
	inlets []*inlet
}

// The library has a global table of toxics.
var register = sync.OnceFunc(func() { toxics.Register(toxicType, new(hook)) })

// NewMesh opens a mesh without links. Its links listen on network and dial targets by dial; nil dials on network, without
// bounds. The mesh listens on one loopback port until it is closed.
func NewMesh(network faults.Network, dial faults.DialFunc) (*Mesh, error) {
	if dial == nil {
		dial = network.Dial
	}
	register()
	p, err := openLoopbackPairs(network)
	if err != nil {
		return nil, err
	}
	return &Mesh{
		server:   toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		network:  network,
		loopback: p,
		dial:     dial,
		links:    map[string]*Link{},
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

// Close implements faults.Mesh. Connections over the links end, and running dials fail.
func (m *Mesh) Close(ctx context.Context) error {
	m.mu.Lock()
	m.closed = true
	links, inlets := slices.Collect(maps.Values(m.links)), m.inlets
	m.mu.Unlock()

	errs := []error{m.loopback.close()}
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
