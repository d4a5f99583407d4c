package toxi

import (
	"context"
	"fmt"
	"net"

	"wringer/faults"
)

// placedLayer is the layer on a link.
type placedLayer struct {
	faults.Layer
	protocol string
}

// Lay implements faults.ListeningLink.
func (l *Link) Lay(protocol string, layer func() faults.Layer) (faults.Layer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch has := l.layer.Load(); {
	case has == nil:
		l.layer.Store(&placedLayer{layer(), protocol})
	case has.protocol != protocol:
		return nil, fmt.Errorf("link %s: speaks %s already, and cannot be broken as %s too", l.name, has.protocol, protocol)
	}
	return l.layer.Load().Layer, nil
}

// currentLayer returns the layer; nil without one.
func (l *Link) currentLayer() faults.Layer {
	if has := l.layer.Load(); has != nil {
		return has.Layer
	}
	return nil
}

// overLayer puts the link's layer, if any, between the client and far. far is a connection over the bare link to
// address.
func (l *Link) overLayer(ctx context.Context, far net.Conn, address string) (net.Conn, error) {
	layer := l.currentLayer()
	if layer == nil {
		return far, nil
	}
	client, near, err := l.mesh.loopback.pair(ctx)
	if err != nil {
		far.Close()
		return nil, err
	}
	if err := l.runLayer(layer, near, far, address, func() {}); err != nil {
		client.Close()
		near.Close()
		return nil, err
	}
	return client, nil
}

// runLayer runs the layer on a connection to address, and calls free at its end. On an error it closes far and leaves
// c alone.
func (l *Link) runLayer(layer faults.Layer, c, far net.Conn, address string, free func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.active.Load().closed {
		far.Close()
		return net.ErrClosed
	}
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		defer free()
		layer.Carry(c, far, address)
	}()
	return nil
}
