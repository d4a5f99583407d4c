// Package memnet is a TCP network inside the process: listeners, dials and connections without sockets.
//
// Inside a bubble of testing/synctest everything here blocks durably: a goroutine that waits for a connection, for bytes or for
// room waits on a condition of the bubble. Deadlines run on the bubble's clock. The network itself takes no time: a client that
// asks again as soon as it is answered, without end, never lets the bubble's clock advance.
//
// Connections behave as Linux's do over loopback: an end in order lets the peer read what was sent; a reset does too, and then
// fails; a close with bytes unread is a reset; a write to a peer that has closed succeeds once, and breaks the connection.
package memnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"syscall"
)

// Network is one network with one host. Listeners and dials of different networks never meet. The zero value is ready. It is
// safe for concurrent use, and must not be copied after its first use.
type Network struct {
	mu        sync.Mutex
	listeners map[netip.AddrPort]*listener
	listened  uint16 // the free port that was given last
	dialled   uint16 // the port that a dial left from last
}

// Listeners with port 0, and dials, take their ports in turn. As on Linux the ports of dials lie apart. A dial's port comes
// again after as many dials as there are.
const (
	firstListen, lastListen = 10_000, 32_767
	firstDial, lastDial     = 32_768, 60_999
)

// backlog is how many connections wait to be accepted; a dial beyond waits for room.
const backlog = 1024

// Listen opens a listener. network is tcp, tcp4 or tcp6. The host of address is empty, localhost, or an IP address, of which
// every one is this host's. Errors are *net.OpError, as net.Listen's.
func (n *Network) Listen(network, address string) (net.Listener, error) {
	at, err := parse(network, address)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if at.Port() == 0 {
		at, err = n.free(at.Addr())
	} else if n.taken(at) {
		err = os.NewSyscallError("bind", syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(at), Err: err}
	}
	if n.listeners == nil {
		n.listeners = make(map[netip.AddrPort]*listener)
	}
	l := &listener{network: n, at: at, waiting: make(chan *conn, backlog), closed: make(chan struct{})}
	n.listeners[at] = l
	return l, nil
}

// free returns a port of addr that nobody listens on. n.mu is held.
func (n *Network) free(addr netip.Addr) (netip.AddrPort, error) {
	for range lastListen - firstListen + 1 {
		n.listened = next(n.listened, firstListen, lastListen)
		if at := netip.AddrPortFrom(addr, n.listened); !n.taken(at) {
			return at, nil
		}
	}
	return netip.AddrPortFrom(addr, 0), os.NewSyscallError("bind", syscall.EADDRINUSE)
}

// taken says whether a listener would meet another one. n.mu is held.
func (n *Network) taken(at netip.AddrPort) bool {
	for other := range n.listeners {
		if other.Port() == at.Port() && (other.Addr() == at.Addr() || other.Addr().IsUnspecified() || at.Addr().IsUnspecified()) {
			return true
		}
	}
	return false
}

func next(port, first, last uint16) uint16 {
	if port < first || port >= last {
		return first
	}
	return port + 1
}

// Dial connects to a listener; it is refused where nobody listens. It returns as soon as the connection waits to be accepted,
// and blocks while as many wait as may, at most until ctx ends. Errors are *net.OpError, as net.Dialer's.
func (n *Network) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, to, err := n.dial(ctx, network, address)
	if err == nil {
		return c, nil
	}
	failed := &net.OpError{Op: "dial", Net: network, Err: err}
	if to.IsValid() {
		failed.Addr = net.TCPAddrFromAddrPort(to)
	}
	return nil, failed
}

func (n *Network) dial(ctx context.Context, network, address string) (*conn, netip.AddrPort, error) {
	to, err := parse(network, address)
	if err != nil {
		return nil, to, err
	}
	if to.Addr().IsUnspecified() { // as on Linux, this host
		to = netip.AddrPortFrom(loopback(to.Addr()), to.Port())
	}
	if err := ctx.Err(); err != nil {
		return nil, to, ended(ctx)
	}
	n.mu.Lock()
	l := n.listeners[to]
	for _, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		if l == nil {
			l = n.listeners[netip.AddrPortFrom(any, to.Port())]
		}
	}
	n.dialled = next(n.dialled, firstDial, lastDial)
	from := netip.AddrPortFrom(to.Addr(), n.dialled)
	n.mu.Unlock()
	refused := os.NewSyscallError("connect", syscall.ECONNREFUSED)
	if l == nil {
		return nil, to, refused
	}
	near, far := pair(network, net.TCPAddrFromAddrPort(from), net.TCPAddrFromAddrPort(to))
	select {
	case <-l.closed:
		return nil, to, refused
	default:
	}
	select {
	case l.waiting <- far:
		l.settle()
		return near, to, nil
	case <-l.closed:
		return nil, to, refused
	case <-ctx.Done():
		return nil, to, ended(ctx)
	}
}

// ended is why a dial whose context ended failed: a timeout, where that was its deadline.
func ended(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	return ctx.Err()
}

// parse reads an address.
func parse(network, address string) (netip.AddrPort, error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return netip.AddrPort{}, &net.AddrError{Err: fmt.Sprintf("port %q is no number from 0 to 65535", service), Addr: address}
	}
	var addr netip.Addr
	switch host {
	case "":
		addr = netip.IPv4Unspecified()
	case "localhost":
		addr = loopback(netip.IPv4Unspecified())
	default:
		if addr, err = netip.ParseAddr(host); err != nil {
			return netip.AddrPort{}, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		}
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), nil
}

// loopback is the loopback address of the family of addr.
func loopback(addr netip.Addr) netip.Addr {
	if addr.Is6() {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

// listener is a net.Listener.
type listener struct {
	network *Network
	at      netip.AddrPort
	waiting chan *conn
	once    sync.Once
	closed  chan struct{}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, l.failed("accept")
	default:
	}
	select {
	case c := <-l.waiting:
		return c, nil
	case <-l.closed:
		return nil, l.failed("accept")
	}
}

func (l *listener) failed(op string) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener. Connections that nobody accepted are reset.
func (l *listener) Close() error {
	err := l.failed("close")
	l.once.Do(func() {
		err = nil
		l.network.mu.Lock()
		delete(l.network.listeners, l.at)
		l.network.mu.Unlock()
		close(l.closed)
		l.settle()
	})
	return err
}

// settle resets what waits at a listener that is closed: nobody will accept it.
func (l *listener) settle() {
	select {
	case <-l.closed:
	default:
		return
	}
	for {
		select {
		case c := <-l.waiting:
			c.reset()
		default:
			return
		}
	}
}

// Addr implements net.Listener. It is a *net.TCPAddr.
func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.at) }
