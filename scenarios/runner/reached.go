package runner

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// mostReached bounds the addresses that are kept.
const mostReached = 256

// reached keeps the addresses of this machine that the run dialled. It is safe for concurrent use.
type reached struct {
	known sync.Map // netip.AddrPort
	own   func(netip.Addr) bool

	mu  sync.Mutex
	all []netip.AddrPort
}

// add keeps the other end of a connection, if it is on this machine.
func (r *reached) add(conn net.Conn) {
	tcp, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return
	}
	at := netip.AddrPortFrom(tcp.AddrPort().Addr().Unmap().WithZone(""), uint16(tcp.Port))
	if _, ok := r.known.Load(at); ok {
		return
	}
	if !at.Addr().IsLoopback() && !r.own(at.Addr()) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) < mostReached && !slices.Contains(r.all, at) {
		r.all = append(r.all, at)
		r.known.Store(at, nil)
	}
}

// list is what was kept so far.
func (r *reached) list() []netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// ownAddresses says whether an address is one of this machine's interfaces.
func ownAddresses() func(netip.Addr) bool {
	return sync.OnceValue(func() func(netip.Addr) bool {
		own := make(map[netip.Addr]bool)
		interfaces, _ := net.InterfaceAddrs()
		for _, a := range interfaces {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				own[p.Addr().Unmap()] = true
			}
		}
		return func(a netip.Addr) bool { return own[a] }
	})()
}
