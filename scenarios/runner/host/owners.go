package host

import (
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// forwarders listen in place of the program that serves, which runs in a container. Names end after 15 bytes.
var forwarders = []string{"docker-proxy", "rootlessport", "rootlesskit", "slirp4netns", "passt", "pasta"}

// Owners finds the processes that listen on addresses of this machine. unowned are the addresses of which none was found: they
// belong to another user, or to a container.
func (r *Reader) Owners(addresses []netip.AddrPort) (pids []int, unowned []netip.AddrPort) {
	listening := r.listening()
	held := make(map[string][]int) // by inode
	var inodes []string
	for _, l := range listening {
		if slices.ContainsFunc(addresses, l.serves) {
			inodes = append(inodes, l.inode)
		}
	}
	if len(inodes) > 0 {
		held = r.holders(inodes)
	}
	set := make(map[int]bool)
	for _, a := range addresses {
		found := false
		for _, l := range listening {
			if l.serves(a) {
				for _, pid := range held[l.inode] {
					set[pid], found = true, true
				}
			}
		}
		if !found {
			unowned = append(unowned, a)
		}
	}
	return sortedPIDs(set), unowned
}

// listener is a socket that listens.
type listener struct {
	at    netip.AddrPort
	inode string
}

// serves says whether connections to an address are accepted here.
func (l listener) serves(a netip.AddrPort) bool {
	if l.at.Port() != a.Port() {
		return false
	}
	ip, to := l.at.Addr().Unmap(), a.Addr().Unmap().WithZone("")
	return ip == to || ip.IsUnspecified() && (ip.Is6() || to.Is4())
}

// listening reads the TCP sockets that listen.
func (r *Reader) listening() (all []listener) {
	for _, table := range []string{"tcp", "tcp6"} {
		text, err := fs.ReadFile(r.Root, "proc/"+strconv.Itoa(r.PID)+"/net/"+table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line)
			const listens = "0A"
			if len(f) < 10 || f[3] != listens {
				continue
			}
			if at, ok := parseAddress(f[1]); ok {
				all = append(all, listener{at, f[9]})
			}
		}
	}
	return all
}

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

// holders finds, by inode, the processes that hold sockets open, as far as this user may see them.
func (r *Reader) holders(inodes []string) map[string][]int {
	wanted := make(map[string]string, len(inodes))
	for _, inode := range inodes {
		wanted["socket:["+inode+"]"] = inode
	}
	held := make(map[string][]int)
	entries, _ := fs.ReadDir(r.Root, "proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || r.forwards(e.Name()) {
			continue
		}
		folder := "proc/" + e.Name() + "/fd"
		files, err := fs.ReadDir(r.Root, folder)
		if err != nil {
			continue
		}
		for _, file := range files {
			link, err := fs.ReadLink(r.Root, folder+"/"+file.Name())
			if err != nil {
				continue
			}
			if inode, ok := wanted[link]; ok && !slices.Contains(held[inode], pid) {
				held[inode] = append(held[inode], pid)
			}
		}
	}
	return held
}

// forwards says whether a process only forwards what it accepts.
func (r *Reader) forwards(pid string) bool {
	name, err := fs.ReadFile(r.Root, "proc/"+pid+"/comm")
	text := strings.TrimSpace(string(name))
	text, _, _ = strings.Cut(text, ".") // pasta.avx2
	return err == nil && slices.Contains(forwarders, text)
}
