package toxi

import (
	"context"
	"errors"
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
	if err := l.runLayer(layer, layered{near, client}, far, address, func() {}); err != nil {
		client.Close()
		near.Close()
		return nil, err
	}
	return client, nil
}

// layered is the layer's end of a client's connection. It can tell whether the client has closed the other end.
type layered struct {
	net.Conn
	client net.Conn
}

// Left reports whether the client has closed its end.
func (c layered) Left() bool { return closed(c.client) }

// CloseWrite ends the writing side.
func (c layered) CloseWrite() error {
	if !closeWrite(c.Conn) {
		return errors.ErrUnsupported
	}
	return nil
}

// SetLinger is that of *net.TCPConn.
func (c layered) SetLinger(sec int) error {
	if tcp, ok := c.Conn.(interface{ SetLinger(sec int) error }); ok {
		return tcp.SetLinger(sec)
	}
	return errors.ErrUnsupported
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
