package runner

import (
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
)

// mostReached bounds the addresses that are kept. The record tells when there were more.
const mostReached = 4096

// reached keeps the addresses of this machine, and the paths of Unix sockets, that the run dialled. It is safe for concurrent use.
type reached struct {
	known sync.Map // netip.AddrPort; string of a path
	own   func(netip.Addr) bool

	mu    sync.Mutex
	all   []netip.AddrPort
	paths []string
	more  bool // some were not kept
}

// add keeps the other end of a connection, if it is on this machine.
func (r *reached) add(conn net.Conn) {
	if socket, ok := conn.RemoteAddr().(*net.UnixAddr); ok {
		r.addPath(socket.Name)
		return
	}
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
	switch {
	case slices.Contains(r.all, at):
	case len(r.all) == mostReached:
		r.more = true
	default:
		r.all = append(r.all, at)
		r.known.Store(at, nil)
	}
}

// addPath keeps the path of a Unix socket.
func (r *reached) addPath(path string) {
	if _, known := r.known.Load(path); known {
		return
	}
	absolute := path
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		absolute, _ = filepath.Abs(resolved)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.paths) == mostReached {
		r.more = true
		return
	}
	if _, known := r.known.LoadOrStore(path, nil); !known {
		r.paths = append(r.paths, path, absolute) // the server may have bound either
	}
}

// list is what was kept so far. more: there were others.
func (r *reached) list() (all []netip.AddrPort, paths []string, more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all), slices.Clone(r.paths), r.more
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
