package toxi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"wringer/faults"
)

// inlet accepts the target's own connections for a link. Each has a goroutine of its own from the start, so that an
// unresponsive upstream delays no other connection. An upstream that refuses, or cannot be reached in time, shows as
// a reset. A listener cannot refuse a connection that the kernel accepted, and an orderly close would look like an
// answer.
type inlet struct {
	faults.Inlet
	link     *Link
	listener net.Listener
	life     context.Context
	end      context.CancelFunc
	slots    chan struct{}
	running  sync.WaitGroup // the loop, and the connections that are being set up
}

const (
	// maxInlet bounds the connections of an inlet; further ones wait in the kernel's queue.
	maxInlet = 4096
	// reachWithin bounds the time from the accept until the upstream is connected. The time includes waiting for its
	// address and for a partition. A client that waits longer gets a reset, as if its own timeout had passed.
	reachWithin = 10 * time.Second
	// acceptPause is the pause after a failed accept: a lack of descriptors is temporary.
	acceptPause = 10 * time.Millisecond
)

var (
	_ faults.ListeningLink = (*Link)(nil)
	_ faults.Overlooked    = (*Link)(nil)
)

// Overlook implements faults.Overlooked.
func (l *Link) Overlook(with func(faults.DialFunc) faults.DialFunc) { l.far = with(l.far) }

// Listen implements faults.ListeningLink.
func (l *Link) Listen(in faults.Inlet) (string, error) {
	listener, err := l.mesh.network.Listen("tcp", in.Address)
	if err != nil {
		return "", fmt.Errorf("link %s: listen on %s: %w; free the port, or let 127.0.0.1:0 choose one", l.name, in.Address, err)
	}
	i := &inlet{Inlet: in, link: l, listener: listener, slots: make(chan struct{}, maxInlet)}
	i.life, i.end = context.WithCancel(context.Background())
	l.mesh.mu.Lock()
	defer l.mesh.mu.Unlock()
	if l.mesh.closed {
		i.end()
		listener.Close()
		return "", fmt.Errorf("link %s: listen on %s: the mesh is closed", l.name, in.Address)
	}
	l.mesh.inlets = append(l.mesh.inlets, i)
	i.running.Go(i.loop)
	return listener.Addr().String(), nil
}

// loop accepts until the inlet closes.
func (i *inlet) loop() {
	for {
		select {
		case i.slots <- struct{}{}:
		case <-i.life.Done():
			return
		}
		c, err := i.listener.Accept()
		if err != nil {
			<-i.slots
			if errors.Is(err, net.ErrClosed) || sleep(i.life, acceptPause, false, nil) != nil {
				return
			}
			continue
		}
		i.running.Go(func() { i.serve(c) })
	}
}

// serve carries one connection. Its slot is free again once it has ended.
func (i *inlet) serve(c net.Conn) {
	free := func() { <-i.slots }
	ctx, cancel := context.WithTimeout(i.life, reachWithin)
	defer cancel()
	addresses, _ := i.Upstream(ctx) // empty: no upstream in time
	for _, address := range addresses {
		if i.carry(ctx, c, address, free) == nil {
			return
		}
	}
	reset(c)
	free()
}

// carry joins c to the upstream. On an error it leaves c alone.
func (i *inlet) carry(ctx context.Context, c net.Conn, address string, free func()) error {
	l := i.link
	layer := l.currentLayer()
	if layer == nil {
		return l.adopt(ctx, c, address, free)
	}
	far, err := l.connect(ctx, "tcp", address, l.far)
	if err != nil {
		return err
	}
	return l.runLayer(layer, c, far, address, free)
}

// adopt makes c the near end of a connection over the link, and dials the far end. It calls free when the connection
// has ended.
func (l *Link) adopt(ctx context.Context, c net.Conn, address string, free func()) error {
	f := newFlow(l, l.serial.Add(1))
	f.address = address
	if err := l.admit(ctx, f); err != nil {
		return err
	}
	far, err := l.reach(ctx, f, func(ctx context.Context) (net.Conn, error) {
		return l.far(ctx, "tcp", address)
	})
	if err != nil {
		return err
	}
	f.joins(c, far)
	f.free = free
	if err := l.join(f); err != nil {
		far.Close()
		return err
	}
	return nil
}

// reset closes c with a reset.
func reset(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// close stops listening. Connections that wait for their upstream are reset.
func (i *inlet) close() error {
	i.end()
	if err := i.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (i *inlet) wait(ctx context.Context) error {
	if err := within(ctx, &i.running); err != nil {
		return fmt.Errorf("close link %s: its listener did not end: %w", i.link.name, err)
	}
	return nil
}
