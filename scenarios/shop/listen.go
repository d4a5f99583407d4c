package shop

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"syscall"

	"wringer/faults"
)

// listen opens the listener of a server. field names the address in the configuration.
func listen(network faults.Network, field, address string) (net.Listener, error) {
	address = cmp.Or(address, defaultListen)
	l, err := network.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("shop: listen on %s for %s: the port is in use: free it, or give %s another address (%s picks a free port)", address, field, field, defaultListen)
	}
	if err != nil {
		return nil, fmt.Errorf("shop: listen on %s for %s: %w", address, field, err)
	}
	return l, nil
}
