package toxi

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"wringer/faults"
)

// laid is the layer that lies on a link.
type laid struct {
	faults.Layer
	protocol string
}

// Lay implements faults.Stack.
func (l *Link) Lay(protocol string, layer func() faults.Layer) (faults.Layer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch has := l.layer.Load(); {
	case has == nil:
		l.layer.Store(&laid{layer(), protocol})
	case has.protocol != protocol:
		return nil, fmt.Errorf("link %s: speaks %s already, and cannot be broken as %s too", l.name, has.protocol, protocol)
	}
	return l.layer.Load().Layer, nil
}

// laid returns the layer, nil without one.
func (l *Link) laid() faults.Layer {
	if has := l.layer.Load(); has != nil {
		return has.Layer
	}
	return nil
}

// branch returns the link of a branch, nil unless it was opened: a branch that no fault names costs nothing.
func (l *Link) branch(name string) *Link {
	if name == "" {
		return nil
	}
	l.mesh.mu.Lock()
	defer l.mesh.mu.Unlock()
	return l.mesh.links[l.name+"/"+name]
}

// unopened says, of the link of a branch, that no such branch has opened yet; empty otherwise.
func (l *Link) unopened() string {
	whole, name, branched := strings.Cut(l.name, "/")
	if !branched {
		return ""
	}
	l.mesh.mu.Lock()
	defer l.mesh.mu.Unlock()
	var there []string
	for _, i := range l.mesh.inlets {
		switch {
		case i.link.name != whole || i.Branch == "":
		case i.Branch == name:
			return ""
		default:
			there = append(there, i.Branch)
		}
	}
	if len(there) == 0 {
		return "nothing that connected to " + whole + " has learnt of its parts"
	}
	slices.Sort(there)
	return fmt.Sprintf("%s has no %s; it has %s", whole, name, strings.Join(there, ", "))
}

// overLayer puts the layer, if there is one, between the client and far, a connection over the bare link.
func (l *Link) overLayer(ctx context.Context, far net.Conn) (net.Conn, error) {
	layer := l.laid()
	if layer == nil {
		return far, nil
	}
	client, near, err := l.mesh.door.pair(ctx)
	if err != nil {
		far.Close()
		return nil, err
	}
	if err := l.speak(layer, near, far, func() {}); err != nil {
		client.Close()
		near.Close()
		return nil, err
	}
	return client, nil
}

// speak lets the layer carry a connection, and calls free when it has ended. On an error c is left alone and far closed.
func (l *Link) speak(layer faults.Layer, c, far net.Conn, free func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.orders.Load().closed {
		far.Close()
		return net.ErrClosed
	}
	l.running.Add(1)
	go func() {
		defer l.running.Done()
		defer free()
		layer.Carry(c, far)
	}()
	return nil
}
