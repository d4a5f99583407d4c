package toxi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"wringer/faults"
)

// door makes pairs of connected loopback connections: the client's end, and the near end that a link takes over.
type door struct {
	network  faults.Network
	mu       sync.Mutex
	listener net.Listener
}

func openDoor(network faults.Network) (*door, error) {
	l, err := network.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the links' connections: %w", err)
	}
	return &door{network: network, listener: l}, nil
}

// pair connects to the door and takes the connection from it. One pair is made at a time, so that what is accepted is
// what was just connected; anything else that found the port is turned away.
func (d *door) pair(ctx context.Context) (client, near net.Conn, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	client, err = d.network.Dial(ctx, "tcp", d.listener.Addr().String())
	if err != nil {
		return nil, nil, err
	}
	for {
		near, err = d.listener.Accept()
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

func (d *door) close() error {
	if err := d.listener.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
