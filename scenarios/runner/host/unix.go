package host

import (
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// unixSockets are the Unix sockets in the network namespace of this process.
type unixSockets struct {
	listening map[string][]string // inodes, by path
	paths     map[string]string   // of connected sockets that have one, by inode: those that a listener accepted
	peers     map[string]string   // the other ends of connections, by inode; empty: not told
}

// unixSockets reads them. The kernel's table tells no peers, which the reader asks for.
func (r *Reader) unixSockets() unixSockets {
	u := unixSockets{listening: make(map[string][]string), paths: make(map[string]string)}
	text, err := fs.ReadFile(r.Root, "proc/"+strconv.Itoa(r.PID)+"/net/unix")
	if err != nil {
		return u
	}
	for line := range strings.Lines(string(text)) {
		u.add(line)
	}
	if r.peers != nil {
		u.peers = r.peers()
	}
	return u
}

// add takes a line of the table: number, references, protocol, flags, type, state, inode, path.
func (u *unixSockets) add(line string) {
	const listens, inode, path = "00010000", 6, 7
	f := strings.Fields(line)
	if len(f) <= path {
		return
	}
	name := normal(strings.TrimSuffix(line[strings.LastIndex(line, " "+f[path])+1:], "\n"))
	if f[3] == listens {
		u.listening[name] = append(u.listening[name], f[inode])
	} else {
		u.paths[f[inode]] = name
	}
}

// normal is the form in which paths are compared. A name that begins with @ is no file.
func normal(path string) string {
	if strings.HasPrefix(path, "@") {
		return path
	}
	path = filepath.Clean(path)
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		return "/run/" + rest
	}
	return path
}

// listeners are the processes that listen at a path.
func (u *unixSockets) listeners(path string, held map[string][]int) (pids []int) {
	for _, inode := range u.listening[normal(path)] {
		pids = append(pids, held[inode]...)
	}
	return pids
}

// machineWide are the beginnings of the paths at which services of the whole machine listen. Their work is not the target's.
var machineWide = []string{"/run/systemd/", "/run/dbus/", "/run/nscd/", "/dev/log"}

// dialledBy are the processes that listen where members of a family are connected to.
func (u *unixSockets) dialledBy(held map[string][]int, member func(pid int) bool) (pids []int) {
	for inode, peer := range u.peers {
		path := u.paths[peer]
		isMachineWide := func(prefix string) bool { return strings.HasPrefix(path, prefix) }
		if len(u.listening[path]) == 0 || u.paths[inode] == path || slices.ContainsFunc(machineWide, isMachineWide) {
			continue
		}
		switch {
		case !slices.ContainsFunc(held[inode], member):
		case len(held[peer]) > 0:
			pids = append(pids, held[peer]...)
		default: // not accepted yet
			pids = append(pids, u.listeners(path, held)...)
		}
	}
	return pids
}
