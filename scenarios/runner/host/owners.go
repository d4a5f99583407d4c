package host

import (
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// forwarders listen in place of the program that serves, which runs in a container. Names end after 15 bytes.
var forwarders = []string{onePort, "rootlessport", "rootlesskit", "slirp4netns", "passt", "pasta"}

// onePort is a forwarder with a process for each port: what such a process is connected to serves that port.
const onePort = "docker-proxy"

// mostBehind bounds how far Owners follows the target's connections.
const mostBehind = 8

// Owners finds the processes that listen on addresses, and at paths of Unix sockets, of this machine, and those that listen behind
// them. Last's run, its target or a process found here may be connected to another program of this machine. That program is a part
// of the target, as a database is. The other program may be in another network namespace. unowned are the addresses of which
// no process was found: they belong to another user, or to a container.
func (r *Reader) Owners(addresses []netip.AddrPort, paths []string, last *Reading) (pids []int, unowned []netip.AddrPort) {
	f := finder{sockets: r.sockets(), set: make(map[int]bool), via: make(map[int]netip.AddrPort), missing: make(map[netip.AddrPort]bool), reached: make(map[netip.AddrPort]bool)}
	for _, a := range addresses {
		f.listening(place{f.own, a})
	}
	for _, path := range paths {
		f.take(f.unix.listeners(path, f.held))
	}
	f.elsewhere(r.PID)
	family := make(map[int]bool)
	maps.Copy(family, last.family)
	for range mostBehind {
		found, forwarders := f.found, len(f.via)
		f.found = nil
		if last.table != nil {
			maps.Copy(family, last.table.family(last.table[r.PID], found))
		}
		for _, pid := range found {
			family[pid] = true
		}
		f.dialledBy(family, r.PID)
		if len(f.found) == 0 && len(f.via) == forwarders {
			break
		}
	}
	maps.DeleteFunc(f.missing, func(a netip.AddrPort, _ bool) bool { return f.reached[a] })
	unowned = slices.SortedFunc(maps.Keys(f.missing), netip.AddrPort.Compare)
	return sortedPIDs(f.set), unowned
}

// finder finds the processes of the target.
type finder struct {
	*sockets
	set     map[int]bool
	found   []int                  // those that are new to set
	via     map[int]netip.AddrPort // forwarders of one port, and the addresses in whose place they stand
	missing map[netip.AddrPort]bool
	reached map[netip.AddrPort]bool // what stands behind a forwarder there was found
}

// take adds processes to those found.
func (f *finder) take(pids []int) {
	for _, pid := range pids {
		if !f.set[pid] {
			f.set[pid] = true
			f.found = append(f.found, pid)
		}
	}
}

// listening takes the processes that listen at a place. Without one, the address is missing.
func (f *finder) listening(at place) (owned bool) {
	for _, l := range f.listeners {
		if !l.serves(at) {
			continue
		}
		f.take(f.held[l.inode])
		owned = owned || len(f.held[l.inode]) > 0
		for _, pid := range f.forwarding[l.inode] {
			f.via[pid] = at.AddrPort
		}
	}
	if !owned {
		f.missing[at.AddrPort] = true
	}
	return owned
}

// elsewhere takes the processes to which this one is connected in other network namespaces.
func (f *finder) elsewhere(self int) {
	for c, inode := range f.connected {
		if c.space != f.own || !slices.Contains(f.held[inode], self) {
			continue
		}
		if at, here := f.far(c); here && at.space != f.own {
			f.listening(at)
		}
	}
}

// dialledBy takes the processes to which a family is connected, this process left out: its own addresses are known.
func (f *finder) dialledBy(family map[int]bool, self int) {
	member := func(pid int) bool { return pid != self && family[pid] }
	for c, inode := range f.connected {
		through := slices.IndexFunc(f.forwarding[inode], func(pid int) bool { return f.via[pid].IsValid() })
		if through < 0 && !slices.ContainsFunc(f.held[inode], member) {
			continue
		}
		at, here := f.far(c)
		if here && f.listening(at) && through >= 0 {
			f.reached[f.via[f.forwarding[inode][through]]] = true
		}
	}
	f.take(f.unix.dialledBy(f.held, member))
}

// far is the place that a connection was made to, where a program of this machine listens there. An address of the loopback
// interface is another one in each network namespace.
func (f *finder) far(c ends) (at place, here bool) {
	listens := func(space string) bool {
		_, there := f.connected[ends{space, c.other, c.own}]
		at = place{space, c.other}
		return there && slices.ContainsFunc(f.listeners, func(l listener) bool { return l.serves(at) })
	}
	if listens(c.space) {
		return at, true
	}
	return at, !c.other.Addr().IsLoopback() && slices.ContainsFunc(f.spaces, listens)
}

// sockets are the sockets of this machine, as far as this user may see them.
type sockets struct {
	own        string   // the network namespace of this process
	spaces     []string // all of them
	listeners  []listener
	connected  map[ends]string // inodes
	unix       unixSockets
	held       map[string][]int // the processes that hold a socket, by its inode
	forwarding map[string][]int // forwarders of one port that hold a socket
}

// place is an address in a network namespace.
type place struct {
	space string
	netip.AddrPort
}

// ends are those of a connection, from one side.
type ends struct {
	space      string // that of the own end
	own, other netip.AddrPort
}

// listener is a socket that listens.
type listener struct {
	place
	inode string
}

// serves says whether connections to an address are accepted here.
func (l listener) serves(at place) bool {
	if l.space != at.space || l.Port() != at.Port() {
		return false
	}
	ip, to := l.Addr().Unmap(), at.Addr().Unmap().WithZone("")
	return ip == to || ip.IsUnspecified() && (ip.Is6() || to.Is4())
}

// sockets reads the sockets, and which processes hold them.
func (r *Reader) sockets() *sockets {
	s := &sockets{connected: make(map[ends]string), held: make(map[string][]int), forwarding: make(map[string][]int)}
	members := r.holders(s)
	s.own = r.space(strconv.Itoa(r.PID))
	members[s.own] = strconv.Itoa(r.PID) // this process can be read
	s.spaces = slices.Sorted(maps.Keys(members))
	for space, pid := range members {
		for _, table := range []string{"tcp", "tcp6"} {
			text, err := fs.ReadFile(r.Root, "proc/"+pid+"/net/"+table)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(text)) {
				s.add(space, strings.Fields(line))
			}
		}
	}
	s.unix = r.unixSockets()
	return s
}

// space is the network namespace of a process; empty where it cannot be read.
func (r *Reader) space(pid string) string {
	space, _ := fs.ReadLink(r.Root, "proc/"+pid+"/ns/net")
	return space
}

// add takes a line of a namespace's table of sockets.
func (s *sockets) add(space string, f []string) {
	const established, listens = "01", "0A"
	if len(f) < 10 || f[3] != established && f[3] != listens {
		return
	}
	own, ok := parseAddress(f[1])
	if !ok {
		return
	}
	if f[3] == listens {
		s.listeners = append(s.listeners, listener{place{space, own}, f[9]})
	} else if other, ok := parseAddress(f[2]); ok {
		s.connected[ends{space, unmapped(own), unmapped(other)}] = f[9]
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

// parseAddress reads an address of /proc/net/tcp: words of 32 bits in the machine's order, and a port.
func parseAddress(text string) (at netip.AddrPort, ok bool) {
	ip, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(ip)
	n, bad := strconv.ParseUint(port, 16, 16)
	if err != nil || bad != nil || len(raw) != 4 && len(raw) != 16 {
		return at, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(n)), true
}

// holders notes which processes hold sockets, by the socket's inode, and returns a process of each network namespace. What only
// forwards is left out, or apart.
func (r *Reader) holders(s *sockets) (members map[string]string) {
	members = make(map[string]string)
	entries, _ := fs.ReadDir(r.Root, "proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if space := r.space(e.Name()); space != "" {
			members[space] = e.Name()
		}
		held := s.held
		switch name := r.forwards(e.Name()); {
		case name == onePort:
			held = s.forwarding
		case name != "":
			continue
		}
		folder := "proc/" + e.Name() + "/fd"
		files, _ := fs.ReadDir(r.Root, folder)
		for _, file := range files {
			link, err := fs.ReadLink(r.Root, folder+"/"+file.Name())
			if err != nil {
				continue
			}
			inode, ok := strings.CutPrefix(link, "socket:[")
			if inode = strings.TrimSuffix(inode, "]"); ok && !slices.Contains(held[inode], pid) {
				held[inode] = append(held[inode], pid)
			}
		}
	}
	return members
}

// forwards is the name of a process that only forwards what it accepts; empty for any other.
func (r *Reader) forwards(pid string) string {
	name, _ := fs.ReadFile(r.Root, "proc/"+pid+"/comm")
	text, _, _ := strings.Cut(strings.TrimSpace(string(name)), ".") // pasta.avx2
	if slices.Contains(forwarders, text) {
		return text
	}
	return ""
}
