package host

import (
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// row is a line of /proc/net/unix.
func row(flags, state, inode, path string) string {
	return "ffff8880: 00000002 00000000 " + flags + " 0001 " + state + " " + inode + " " + path + "\n"
}

// The target may listen at a path, and what it is connected to over Unix sockets is a part of it. Who connects to the target is not,
// nor are the services of the whole machine.
func TestOwnersBehindUnixSockets(t *testing.T) {
	listen := func(inode, path string) string { return row("00010000", "01", inode, path) }
	accepted := func(inode, path string) string { return row("00000000", "03", inode, path) }
	files := tree{}.cpu(0, 0, 0)
	for _, pid := range []int{self, 60, 61, 70, 80, 90, 91, 92} {
		files.process(pid, 1, pid, 0, 0)
	}
	files.file("proc/100/net/unix", "Num RefCount Protocol Flags Type St Inode Path\n"+
		listen("1", "/tmp/my app.sock")+listen("2", "/var/run/db.sock")+listen("3", "@cache")+listen("4", "/run/systemd/journal/stdout")+listen("5", "/tmp/other")+
		accepted("11", "/tmp/my app.sock")+accepted("13", "/var/run/db.sock")+accepted("15", "@cache")+accepted("17", "/run/systemd/journal/stdout")+accepted("19", "/tmp/other")+
		row("00000000", "03", "10", "")+row("00000000", "03", "12", ""))
	files.holds(60, "app", "1").holds(61, "worker", "11").holds(61, "worker", "12").holds(61, "worker", "16").
		holds(70, "db", "2").holds(70, "db", "13").holds(70, "db", "14").holds(80, "cache", "3").
		holds(90, "client", "10").holds(90, "client", "18").holds(91, "journald", "4").holds(91, "journald", "17").holds(92, "stranger", "5").holds(92, "stranger", "19")
	r := Reader{peers: func() map[string]string {
		both := make(map[string]string)
		for _, pair := range [][2]string{{"10", "11"}, {"12", "13"}, {"14", "15"}, {"16", "17"}, {"18", "19"}} {
			both[pair[0]], both[pair[1]] = pair[1], pair[0]
		}
		return both
	}}
	files.process(61, 60, 60, 0, 0) // a child of the one that listens
	last := read(t, &r, files, 0)
	pids, _ := r.Owners(nil, []string{"/tmp/my app.sock"}, last)
	if want := []int{60, 70, 80}; !slices.Equal(pids, want) {
		t.Errorf("owners %v, want %v", pids, want)
	}
}

// The kernel tells the peers.
func TestUnixPeers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the peers of Unix sockets")
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	peers := unixPeers()
	if peers == nil {
		t.Skip("the kernel does not tell them here")
	}
	if c, s := inode(t, client), inode(t, server); peers[c] != s || peers[s] != c {
		t.Errorf("%s and %s: %q, %q", c, s, peers[c], peers[s])
	}
	unixSockets := New().unixSockets()
	if path := normal(l.Addr().String()); len(unixSockets.listening[path]) != 1 || unixSockets.paths[inode(t, server)] != path {
		t.Errorf("%s is not in the table", path)
	}
}

func inode(t *testing.T, c net.Conn) string {
	t.Helper()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var at syscall.Stat_t
	if err := raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &at) }); err != nil {
		t.Fatal(err)
	}
	return strconv.FormatUint(at.Ino, 10)
}
