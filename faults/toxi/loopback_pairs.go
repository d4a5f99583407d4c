package toxi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"wringer/faults"
)

// loopbackPairs makes pairs of connected loopback connections: the client's end, and the near end for the link.
type loopbackPairs struct {
	network  faults.Network
	mu       sync.Mutex
	listener net.Listener
}

func openLoopbackPairs(network faults.Network) (*loopbackPairs, error) {
	l, err := network.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the links' connections: %w", err)
	}
	return &loopbackPairs{network: network, listener: l}, nil
}

// pair connects to its own listener and accepts the connection. It makes one pair at a time, and closes accepted
// connections that are not its own.
func (p *loopbackPairs) pair(ctx context.Context) (client, near net.Conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	client, err = p.network.Dial(ctx, "tcp", p.listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	for {
		near, err = p.listener.Accept()
		if err != nil {
			client.Close()
			return nil, nil, err
		}
		if near.RemoteAddr().String() == client.LocalAddr().String() {
			return client, near, nil
		}
		near.Close()
	}
}

func (p *loopbackPairs) close() error {
	if err := p.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
